"""What a cell of a French CSV may be: UTF-8 with BOM, « ; », CRLF, and nothing that a spreadsheet takes for something else."""
from __future__ import annotations

BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def number_as_text(number: str | None) -> str:
    """``="060790508"``: without it a spreadsheet reads a number and drops the leading zero."""
    if number is None:
        return ""
    return f'="{number}"' if number.isalnum() else plain_text(number)


def plain_text(value: str) -> str:
    """A text that a spreadsheet cannot take for a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def or_empty(number: int | None) -> str:
    return "" if number is None else str(number)
