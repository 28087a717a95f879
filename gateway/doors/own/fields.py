"""Fields of a request: texts that may go into a message, and what is wrong with them, by name, never the value received."""
from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

_HL7_SEPARATORS = frozenset("^&|~\\")  # in a name they would begin another component of an XCN or a PID (dmp §6)


class Part(BaseModel):
    """Of a request, or a whole one. Unknown members are refused: a misspelt one must not be lost in silence."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("caractère de contrôle ou saut de ligne")
    return text


def _a_name(text: str) -> str:
    if not _HL7_SEPARATORS.isdisjoint(text):
        raise ValueError("caractère refusé : ^ & | ~ ou barre inverse")
    return _printable(text)


def _paragraph(text: str) -> str:
    for line in text.split("\n"):
        _printable(line.replace("\t", " "))
    return text


Line = Annotated[str, AfterValidator(_printable)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_a_name)]
Paragraph = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_paragraph)]
#: Code COG of a place of birth.
BirthPlace = Annotated[str, Field(pattern="^[0-9][0-9AB][0-9]{3}$")]

_REASONS = {
    "missing": "absent", "extra_forbidden": "inconnu", "string_type": "texte attendu", "bool_type": "vrai ou faux attendu",
    "list_type": "liste attendue", "string_pattern_mismatch": "forme refusée", "string_too_short": "trop court",
    "string_too_long": "trop long", "too_short": "trop peu d'éléments", "too_long": "trop d'éléments",
    "date_type": "date AAAA-MM-JJ attendue",
    "timezone_aware": "date et heure avec fuseau attendues", "base64_decode": "base64 illisible", "model_type": "objet attendu",
    "model_attributes_type": "objet attendu",
}  # fmt: skip


def said(error: ValidationError) -> list[dict[str, str]]:
    """One line for each wrong field, the first twenty."""
    rows = error.errors(include_url=False, include_context=True, include_input=False)[:20]
    return [field(".".join(str(part) for part in row["loc"]), _reason(row)) for row in rows]


def field(name: str, reason: str) -> dict[str, str]:
    # An unknown member's name is the client's own text: cut, so that it cannot carry much.
    return {"champ": name[:64] or "(corps)", "raison": reason}


def _reason(row: ErrorDetails) -> str:
    kind = row["type"]
    if kind == "value_error":  # our own checks, whose texts are French
        return row["msg"].removeprefix("Value error, ")
    if kind == "literal_error":
        return "valeur hors de la liste : " + str(row["ctx"]["expected"]).replace("'", "").replace(" or ", " ou ")
    if kind.startswith(("date_", "datetime_")):
        return "date illisible"
    return _REASONS.get(kind, "valeur refusée")
