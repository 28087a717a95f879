"""The grappe of `socle bench usage`: twenty-four fictitious ESSMS of four legal entities, about two thousand persons."""
from __future__ import annotations

from datetime import date

from connectors.nomenclatures.identifiers import luhn_key
from gateway.grappes.model import Denominator, Essms, Grappe, LegalEntity, Mailbox

#: First day of the twelve months of traffic; the first period is the three months from it.
FIRST_DAY = date(2025, 9, 1)
_ENTITIES, _ESSMS = 4, 24
_PERSONS = (32, 45, 58, 71, 84, 97, 110, 123, 136, 70, 61, 40)  # in turn


def bench_grappe() -> Grappe:
    """No department has number 99: these FINESS are nobody's."""
    entities = tuple(
        LegalEntity(_finess("9901", n), f"ORGANISME GESTIONNAIRE {n}", "confirme", "R0", (_finess("9901", n),))
        for n in range(1, _ENTITIES + 1)
    )
    return Grappe(
        version=1, id="banc", name="Grappe du banc de mesure", ars="ARS fictive", source="socle bench usage",
        document_date=FIRST_DAY, porteur_ej=entities[0].finess_ej, denominator_label="personnes accompagnées (fictives)",
        entites_juridiques=entities, essms=tuple(_essms(n, entities) for n in range(_ESSMS)), date_demarrage=FIRST_DAY,
    )  # fmt: skip


def _essms(n: int, entities: tuple[LegalEntity, ...]) -> Essms:
    number = _finess("9900", n)
    return Essms(
        finess_et=number, finess_ej=entities[n % _ENTITIES].finess_ej, name=f"ESSMS {n + 1}", sector="SA17", category="500",
        statut="confirme", regle="R0", saisi=number, member_from=FIRST_DAY,
        denominators=(Denominator(FIRST_DAY, _PERSONS[n % len(_PERSONS)], "declaration_projet"),),
        mailboxes=(Mailbox(f"essms{n + 1}@banc.mssante.test", FIRST_DAY),),
    )  # fmt: skip


def _finess(prefix: str, n: int) -> str:
    body = f"{prefix}{n:04d}"
    return body + luhn_key(body)
