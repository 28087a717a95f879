"""What is wrong with the fields of a request, in French, by name: never the value received."""
from __future__ import annotations

from pydantic import ValidationError

_REASONS = {
    "missing": "absent", "extra_forbidden": "inconnu", "string_type": "texte attendu", "bool_type": "vrai ou faux attendu",
    "list_type": "liste attendue", "string_pattern_mismatch": "forme refusée", "string_too_short": "trop court",
    "string_too_long": "trop long", "too_short": "trop peu d'éléments", "too_long": "trop d'éléments",
    "literal_error": "valeur hors de la liste", "date_type": "date AAAA-MM-JJ attendue",
    "timezone_aware": "date et heure avec fuseau attendues", "base64_decode": "base64 illisible", "model_type": "objet attendu",
    "model_attributes_type": "objet attendu",
}  # fmt: skip


def said(error: ValidationError) -> list[dict[str, str]]:
    """One line for each wrong field, the first twenty."""
    rows = error.errors(include_url=False, include_context=True, include_input=False)[:20]
    return [field(".".join(str(part) for part in row["loc"]), _reason(row["type"], row["msg"])) for row in rows]


def field(name: str, reason: str) -> dict[str, str]:
    # An unknown member's name is the client's own text: cut, so that it cannot carry much.
    return {"champ": name[:64] or "(corps)", "raison": reason}


def _reason(kind: str, message: str) -> str:
    if kind == "value_error":  # our own checks, whose texts are French
        return message.removeprefix("Value error, ")
    if kind.startswith(("date_", "datetime_")):
        return "date illisible"
    return _REASONS.get(kind, "valeur refusée")
