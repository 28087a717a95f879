"""Put a grappe into a data folder: its file, with the mailboxes that the sandbox gave to its ESSMS.

The sandbox (``sandbox.json``, its people) knows which mailboxes exist; the registry knows whom they count for,
and since when.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from gateway.grappes.model import Denominator, Essms, Grappe, LegalEntity, Mailbox
from gateway.grappes.reading import write_grappe

SANDBOX = "bac-a-sable"
_SANDBOX_DAY = date(2025, 1, 1)


def structures_of(grappe: Grappe) -> list[dict[str, object]]:
    """The ESSMS as ``python -m mocks init --structures`` reads them; ``persons`` is null when nobody declared a number."""
    return [
        {
            "finess_et": one.finess_et, "finess_ej": one.finess_ej, "name": one.name,
            "sector": one.sector, "category": one.category, "persons": one.persons,
        }
        for one in grappe.essms
    ]


def with_mailboxes(grappe: Grappe, manifest: Mapping[str, Any], boxes: Iterable[tuple[str, str]]) -> Grappe:
    """The grappe whose ESSMS send from the sandbox's mailboxes, since they are members; those already there are kept.

    An ESSMS has the mailboxes of its structure (manifest) and those of its professionals: ``boxes``, ``(FINESS ET, address)``.
    """
    given = {one["finess_et"]: [box["address"] for box in one["mailboxes"]] for one in manifest["structures"]}
    for finess_et, address in boxes:
        given.setdefault(finess_et, []).append(address)
    return replace(grappe, essms=tuple(_with_mailboxes(one, given.get(one.finess_et, [])) for one in grappe.essms))


def install(grappe: Grappe, manifest: Mapping[str, Any], boxes: Iterable[tuple[str, str]], folder: Path) -> Path:
    """Write the grappe, with its mailboxes, into the registry folder (``gateway/grappes`` of the data folder)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{grappe.id}.json"
    path.write_bytes(write_grappe(with_mailboxes(grappe, manifest, boxes)))
    return path


def sandbox_grappe(manifest: Mapping[str, Any], persons: Mapping[str, int]) -> Grappe:
    """The fictitious structures of a sandbox as a grappe of their own; ``persons`` counts theirs, by FINESS ET."""
    structures = manifest["structures"]
    legal = sorted({one["finess_ej"] for one in structures})
    return Grappe(
        version=1, id=SANDBOX, name="Structures fictives du bac à sable", ars="aucune", source="bac à sable Socle",
        document_date=_SANDBOX_DAY, porteur_ej=legal[0], denominator_label="personnes fictives du bac à sable",
        entites_juridiques=tuple(LegalEntity(one, "Entité juridique fictive", "confirme", "R0") for one in legal),
        essms=tuple(
            Essms(
                finess_et=one["finess_et"], finess_ej=one["finess_ej"], name=one["name"], sector=one["sector"],
                category=one["category"], statut="confirme", regle="R0", saisi=one["finess_et"], member_from=_SANDBOX_DAY,
                denominators=(Denominator(_SANDBOX_DAY, persons.get(one["finess_et"], 0), "population du bac à sable"),),
            )
            for one in structures
        ),
    )


def _with_mailboxes(essms: Essms, addresses: list[str]) -> Essms:
    known = {one.address.lower() for one in essms.mailboxes}
    added = tuple(Mailbox(one, essms.member_from) for one in addresses if one.lower() not in known)
    return replace(essms, mailboxes=essms.mailboxes + added)
