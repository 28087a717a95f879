"""What every change of a grappe is made of (``changes``)."""
from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.grappes.model import Essms, Grappe
from gateway.grappes.reading import RegistryError

NONE: Literal["aucune"] = "aucune"
#: A date; « aucune » to take it away; None to leave it as it is.
MaybeDate = date | Literal["aucune"] | None
Finess = Annotated[str, Field(pattern=r"^[0-9][0-9A-Z][0-9]{7}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class ChangeModel(BaseModel):
    """What a command or a JSON request says; applying it is pure."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    def apply(self, grappe: Grappe) -> Grappe:
        """Raises RegistryError when the grappe has nothing to apply it to."""
        raise NotImplementedError

    def given(self, *names: str) -> dict[str, Any]:
        """Of these fields, those that the change speaks of."""
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class EssmsChangeModel(ChangeModel):
    """A change of one ESSMS of the grappe."""

    finess_et: Finess

    def apply(self, grappe: Grappe) -> Grappe:
        essms = grappe.find(self.finess_et)
        if essms is None:
            raise RegistryError(f"Grappe « {grappe.id} » : aucun ESSMS {self.finess_et} (socle grappe show {grappe.id}).")
        after = self.of(essms)
        return replace(grappe, essms=tuple(after if one is essms else one for one in grappe.essms))

    def of(self, essms: Essms) -> Essms:
        """Raises RegistryError."""
        raise NotImplementedError


def date_after(given: MaybeDate, present: date | None) -> date | None:
    return given if isinstance(given, date) else None if given == NONE else present
