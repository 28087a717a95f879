"""Messages of a small DUI: one author, one document, whoever the person and the structure."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from connectors.dmp.client import DmpCall, User, existence_call, feed_call, lookup_call, vihf_of
from connectors.dmp.messages import Lps
from connectors.dmp.metadata import Submission
from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import Code, class_of, code_list, find_code
from connectors.wire import cda
from connectors.wire.saml import Role, Signer, Vihf, load_signer

NOW = datetime(2026, 11, 21, 9, 15, tzinfo=UTC)
ROOT = "1.2.250.1.999.7"
LPS = Lps("DUI-X", "1.0", "ABC-123", ROOT)
EDUCATOR = Role("51", "1.2.250.1.213.1.6.1.4", "Educateur spécialisé")
PROJECT = code_list("X16")["80788-3", "2.16.840.1.113883.6.1"]
SPECIALTY = Code("326", "1.2.250.1.213.1.6.1.107", "Educateur spécialisé")
FUNCTION = Code("353", "1.2.250.1.213.1.6.1.107", "Membre de l'équipe de soins")

assert class_of(PROJECT.code, PROJECT.system).code == "44"


@cache
def pdf() -> bytes:
    return cda.pdf_a1("Projet personnalisé", ["Premier paragraphe.", "Second paragraphe, accentué."], at=NOW)


_load = cache(load_signer)  # checking a private key costs more than signing with it


@dataclass(frozen=True, eq=False)
class Dui:
    """Builds calls for one structure of a manifest. ``person`` is a row of population.json."""

    folder: Path
    structure: Mapping[str, Any]
    person: Mapping[str, Any]
    oid: str = xds.OID_INS_TEST

    @property
    def signer(self) -> Signer:
        return self.signer_of(self.structure["sign"])

    def signer_of(self, identity: Mapping[str, str]) -> Signer:
        return _load(self.folder / identity["cert"], self.folder / identity["key"])

    @property
    def vihf(self) -> Vihf:
        struct_id = self.structure["struct_id"]
        user = User(f"3{struct_id[1:]}/ed.12", "CLAIRE DUPONT", EDUCATOR, struct_id, self.structure["sector"])
        return vihf_of(user, LPS, self.person["matricule"], self.oid)

    def submission(self, number: int = 1, **document: Any) -> Submission:
        person = self.person
        return Submission(
            unique_id=f"{ROOT}.2.{number}",
            source_id=ROOT,
            at=NOW,
            content_type=find_code("J59", "11"),
            document=replace(
                cda.Document(
                    unique_id=f"{ROOT}.3.{number}", set_id=f"{ROOT}.4.{number}", type=PROJECT,
                    title="Projet personnalisé d'accompagnement", at=NOW,
                    service_start=datetime(2026, 11, 20, 23, 0, tzinfo=UTC), stay_start=NOW - timedelta(days=300), pdf=pdf(),
                ),
                **document,
            ),
            patient=cda.Patient(
                matricule=person["matricule"], oid=self.oid, birth_name=person["birth_name"],
                first_names=tuple(person["first_names"]), sex=person["sex"],
                birth_date=date.fromisoformat(person["birth_date"]), birth_place=person["birth_place"],
                local_id="U-4711", local_oid=f"{ROOT}.1",
            ),
            author=cda.Author(f"3{self.structure['struct_id'][1:]}/ed.12", "DUPONT", "CLAIRE", SPECIALTY, FUNCTION),
            structure=cda.Structure(
                self.structure["struct_id"], self.structure["name"], find_code("J02", self.structure["sector"]),
                find_code("J04", "ESSMS"),
            ),
        )  # fmt: skip

    def feed(self, number: int = 1, *, vihf: Vihf | None = None, signer: Signer | None = None, **document: Any) -> DmpCall:
        return feed_call(self.submission(number, **document), vihf or self.vihf, signer or self.signer, at=NOW)

    def existence(self, *, vihf: Vihf | None = None) -> DmpCall:
        return existence_call(self.person["matricule"], self.oid, vihf or self.vihf, self.signer, LPS, at=NOW)

    def lookup(self, *unique_ids: str, vihf: Vihf | None = None) -> DmpCall:
        return lookup_call(unique_ids, vihf or self.vihf, self.signer, at=NOW)
