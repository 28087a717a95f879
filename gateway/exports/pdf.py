"""A PDF from a template and its data, whose bytes depend on these two only: fonts are Typst's own, dates are the data's."""
from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from typing import Any, Literal

import orjson
import typst


def pdf(template: str, data: dict[str, Any], as_of: datetime) -> bytes:
    """``template``: name in ``templates/`` without its extension. ``as_of``: the date that the file's properties give."""
    made: bytes = _compiled(template, data, as_of, "pdf")
    return made


def page_images(template: str, data: dict[str, Any], as_of: datetime, ppi: float = 110.0) -> list[bytes]:
    """The same pages as PNG, to look at or to count."""
    made = _compiled(template, data, as_of, "png", ppi)
    return made if isinstance(made, list) else [made]


def _compiled(template: str, data: dict[str, Any], as_of: datetime, form: Literal["pdf", "png"], ppi: float = 110.0) -> Any:
    source = (files("gateway.exports") / "templates" / f"{template}.typ").read_bytes()
    return typst.compile(
        source, format=form, sys_inputs={"data": orjson.dumps(data).decode()}, ignore_system_fonts=True,
        timestamp=int(as_of.timestamp()), ppi=ppi,
    )  # fmt: skip
