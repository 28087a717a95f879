"""What a cell of a French table may be: nothing that a spreadsheet takes for something else. CSV: UTF-8 with BOM, « ; », CRLF."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from zoneinfo import ZoneInfo

BOM = "\ufeff"
PARIS = ZoneInfo("Europe/Paris")
#: First characters by which a spreadsheet takes a text for a formula; the wide ones too, which some take for the others.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def number_as_text(number: str | None) -> str:
    """``="060790508"``: without it a spreadsheet reads a number and drops the leading zero."""
    if number is None:
        return ""
    return f'="{number}"' if number.isalnum() else plain_text(number)


def plain_text(value: str) -> str:
    """A text that a spreadsheet cannot take for a formula."""
    return f"'{value}" if value.lstrip(" \u00a0").startswith(_FORMULA) else value


def or_empty(number: int | None) -> str:
    return "" if number is None else str(number)


def comma(number: Fraction | int | float, digits: int = 1) -> str:
    """``12,5``: a decimal as a French spreadsheet reads it, rounded half up."""
    scaled = Fraction(number) * 10**digits
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    whole, rest = divmod(abs(units), 10**digits)
    return f"{'-' if units < 0 else ''}{whole}" + (f",{rest:0{digits}d}" if digits else "")


def local_and_utc(at: datetime, zone: tzinfo = PARIS) -> tuple[str, str]:
    """The local time with its offset, then the same instant in UTC; both to the second."""
    utc = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return at.astimezone(zone).isoformat(timespec="seconds"), utc


def csv_table(columns: Iterable[str], rows: Iterable[Iterable[str]], warning: str | None) -> bytes:
    """A whole file: the warning when there is one, the header, the rows."""
    return csv_bytes([*([] if warning is None else [[warning]]), columns, *rows])


def csv_bytes(rows: Iterable[Iterable[str]]) -> bytes:
    """A whole file. The cells are written as they are: texts have been through ``plain_text``."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows(rows)
    return (BOM + text.getvalue()).encode("utf-8", "replace")
