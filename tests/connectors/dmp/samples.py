"""Messages of a small DUI: one author, one document, whoever the person and the structure."""
from __future__ import annotations

import re
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
from connectors.wire import cda, mtom
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


def with_signature(call: DmpCall, content: bytes = b"<Signature/>", unique_id: str = f"{ROOT}.5.1") -> DmpCall:
    """The same set with the document that signs it, as DUIs send it (§10): metadata of Signature01 and its part."""
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    root = bytes(parts.root.body).decode()
    [entry] = re.findall(r"<ExtrinsicObject.*?</ExtrinsicObject>", root, re.DOTALL)
    [member] = re.findall(r"<Association.*?</Association>", root, re.DOTALL)
    [document] = re.findall(r"<xdsb:Document .*?</xdsb:Document>", root, re.DOTALL)
    signature = re.sub(r'(2e82c1f6[^>]*value=")[^"]*', rf"\g<1>{unique_id}", entry.replace("Document01", "Signature01"))
    for before, after in (
        (r'nodeRepresentation="44"(.*?<Value>)[^<]*', rf'nodeRepresentation="{SIGNATURE_CLASS}"\1URN'),
        (r'nodeRepresentation="80788-3"(.*?<Value>)[^<]*', r'nodeRepresentation="E1762"\1ASTM'),
        (r'nodeRepresentation="urn:ihe:iti:xds-sd:pdf:2008"(.*?<Value>)[^<]*', rf'nodeRepresentation="{xds.NS_DS}"\1URN'),
        (r"fr-FR", "art"),
    ):
        signature, made = re.subn(before, after, signature, count=1, flags=re.DOTALL)
        assert made, before
    signs = f'<Association id="a3" associationType="{xds.SIGNS}" sourceObject="Signature01" targetObject="SubmissionSet01"/>'
    second = member.replace("Document01", "Signature01").replace('id="a1"', 'id="a2"')
    part = document.replace("Document01", "Signature01").replace("document01@dui", "signature01@dui")
    for old, new in ((entry, entry + signature), (member, member + second + signs), (document, document + part)):
        root = root.replace(old, new)
    documents = [mtom.Attachment("document01@dui", "text/xml", bytes(parts.parts[0].body)),
                 mtom.Attachment("signature01@dui", "text/xml", content)]  # fmt: skip
    content_type, body = mtom.build(root.encode(), documents, action=xds.ACTION_FEED)
    return DmpCall("repository", [(b"content-type", content_type.encode())], body)


SIGNATURE_CLASS = "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1"
_load = cache(load_signer)  # checking a private key costs more than signing with it


@dataclass(frozen=True, eq=False)
class Dui:
    """Builds calls for one structure of a manifest. ``person`` is a row of the population."""

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
