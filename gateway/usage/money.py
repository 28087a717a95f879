"""What money hangs on the targets (programme-indicateurs §7). Published ceilings, never the amounts of a convention that we have
not: the registry holds no amount, and every line says so."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gateway.grappes.model import Essms, Grappe
from gateway.usage.measure import Measure, last_rows

#: Ceilings per ESSMS in euros, taxes included (convention of the Antibes grappe, article 2; programme-indicateurs §7).
USAGE_EUR = {"acquisition": 7_000, "mise_en_conformite": 5_000}
SOFTWARE_EUR, HARDWARE_EUR, AMOA_EUR = 14_000, 10_000, 100_000
UNCERTAINTY = (
    "plafonds publiés par une autre grappe (convention d'Antibes, TTC), pas les montants de celle-ci ; moitié versée à la "
    "signature, moitié au solde, après vérification des cibles et réception de la facture de fin de déploiement"
)


@dataclass(frozen=True, slots=True)
class Stake:
    """What one ESSMS has at stake, at most.

    usage_eur       usage lump sum, repaid whole when the targets are missed; None when the registry does not say the project
    ceiling_eur     with software and hardware
    balance_eur     the half that waits for the targets
    missing         what still keeps the balance from being paid, French; empty: nothing that we see
    payable_since   the later of the last window's end and the invoice, when nothing is missing
    """

    finess_et: str
    finess_ej: str
    name: str
    usage_eur: int | None
    missing: tuple[str, ...]
    payable_since: date | None

    @property
    def ceiling_eur(self) -> int | None:
        return None if self.usage_eur is None else self.usage_eur + SOFTWARE_EUR + HARDWARE_EUR

    @property
    def balance_eur(self) -> int | None:
        return None if self.ceiling_eur is None else self.ceiling_eur // 2

    def item(self) -> dict[str, object]:
        return {
            "finess_et": self.finess_et, "finess_ej": self.finess_ej, "usage_eur": self.usage_eur,
            "ceiling_eur": self.ceiling_eur, "balance_eur": self.balance_eur, "missing": list(self.missing),
            "payable_since": None if self.payable_since is None else self.payable_since.isoformat(),
        }  # fmt: skip


def stakes(grappe: Grappe, measures: Sequence[Measure]) -> list[Stake]:
    """One per ESSMS measured, from the last window of these measures of one grappe."""
    return [_stake(essms, rows) for essms in grappe.essms if (rows := last_rows(measures, essms.finess_et))]


def lines(grappe: Grappe, found: Sequence[Stake]) -> list[str]:
    """One French line per legal entity, then the reservation."""
    owned = {one.name: [stake for stake in found if stake.finess_ej == one.finess_ej] for one in grappe.entites_juridiques}
    said = [_line(name, mine) for name, mine in owned.items()]
    return [line for line in said if line] + ([UNCERTAINTY] if found else [])


def _stake(essms: Essms, rows: Sequence[Measure]) -> Stake:
    missing = [said for row in rows if (said := _short_of(row)) is not None]
    if essms.facture_recue is None:
        missing.append("facture de fin de déploiement non reçue")
    since = None if missing or essms.facture_recue is None else max(rows[0].window.end, essms.facture_recue)
    return Stake(
        essms.finess_et, essms.finess_ej, essms.name, USAGE_EUR.get(essms.projet or ""), tuple(dict.fromkeys(missing)), since
    )


def _short_of(row: Measure) -> str | None:
    """Why this criterion is not verified; None when it is, or has no object here."""
    if row.status == "hors_champ":
        return None
    if row.status == "non_calculable":
        return f"{row.indicator} non calculable"
    if not row.reached:
        return f"{row.indicator} : manque {row.remaining}"
    return None if row.state == "clos" else f"{row.indicator} : atteint, fenêtre non close"


def _line(name: str, mine: Sequence[Stake]) -> str | None:
    if not mine:
        return None
    known = [one for one in mine if one.balance_eur is not None]
    waiting = sum(one.balance_eur or 0 for one in known if one.missing)
    repaid = sum(one.usage_eur or 0 for one in known if one.missing)
    unknown = len(mine) - len(known)
    said = f"{name} : {_eur(waiting)} de solde en attente, {_eur(repaid)} d'usage à rendre si les cibles sont manquées"
    blocked = sum(bool(one.missing) for one in mine)
    said += f" ({blocked} ESSMS sur {len(mine)})"
    return said + (f" ; projet inconnu pour {unknown}, non chiffré" if unknown else "")


def _eur(amount: int) -> str:
    return f"{amount:,} €".replace(",", " ")
