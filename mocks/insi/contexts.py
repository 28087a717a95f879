"""ContexteLPS and ContexteBAM: what the service needs of them, and what only the strict switch asks (insi §3.4, §9.1)."""
from __future__ import annotations

import re
from collections.abc import Sequence

from mocks.insi.faults import BAD_CONTEXT, Faulted, bad_request
from mocks.insi.wire import BAM, LPS, Element, Message

_IN_LPS = {f"{LPS}Id", f"{LPS}Temps"}
_IN_BAM = {f"{BAM}Id", f"{BAM}Temps", f"{BAM}COUVERTURE"}
_SOFTWARE, _IDAM = f"{LPS}LPS", f"{LPS}IDAM"
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def check(message: Message) -> str | None:
    """The IDAM, None without one. Required parts only: the real service takes any Version, Nature or Emetteur (insi §9.1).

    Raises Faulted.
    """
    software = _parts(message.lps, _IN_LPS)
    _parts(message.bam, _IN_BAM)
    idams = (one for part in software if part.tag == _SOFTWARE for one in part if one.tag == _IDAM)
    found = next(idams, None)
    return None if found is None or found.get("R") != "4" else (found.text or "").strip()


def _parts(block: Element | None, required: set[str]) -> Sequence[Element]:
    parts = () if block is None else tuple(block)
    if block is None or block.get("Version") is None or not required <= {part.tag for part in parts}:
        raise Faulted(BAD_CONTEXT)
    return parts


def check_strictly(message: Message, emitter: str) -> None:
    """Every value as the table of insi §3.4 writes it; ``emitter``: who calls. Raises Faulted."""
    _check_block(message.lps, LPS, "ContexteLPS", {"Version": "01_00", "Nature": "CTXLPS"}, emitter)
    _check_block(message.bam, BAM, "ContexteBAM", {"Version": "01_02", "Nature": "CTXBAM"}, emitter)


def _check_block(block: Element | None, namespace: str, name: str, fixed: dict[str, str], emitter: str) -> None:
    assert block is not None  # ``check`` came before
    for attribute, value in fixed.items():
        if block.get(attribute, value) != value:
            raise Faulted(bad_request(f"{name} : {attribute} doit être {value}"))
    for element, form in (("Id", _UUID), ("Temps", _MOMENT)):
        if not form.fullmatch(block.findtext(f"{namespace}{element}") or ""):
            raise Faulted(bad_request(f"{name} : {element} est mal formé"))
    if (block.findtext(f"{namespace}Emetteur") or "").strip() != emitter:
        raise Faulted(bad_request(f"{name} : Emetteur n'est pas celui qui appelle"))
