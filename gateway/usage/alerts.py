"""What somebody should look at before a rate is believed (programme-indicateurs §8; design §6). Signs, never verdicts."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from gateway.grappes.finess import zone_of
from gateway.grappes.model import Essms, Grappe
from gateway.usage.counting import Counting, Slot
from gateway.usage.indicators import SOCLE
from gateway.usage.measure import Measure, last_rows
from gateway.usage.signs import signs

Code = Literal[
    "plus-de-100", "silence", "denominateur-ancien", "bal-partagee", "aucun-evenement", "un-seul-utilisateur",
    "messages-internes", "reponses-automatiques", "non-attribues",
]  # fmt: skip
SILENCE = timedelta(days=7)
_ONE_USER_PERCENT, _INTERNAL_PERCENT, _AUTOMATIC_PERCENT = 80, 20, 50
_FEW = 5  # messages under which a share says nothing


@dataclass(frozen=True, slots=True)
class Alert:
    """``finess_et`` None: the whole grappe. ``text`` is French, without the name of the ESSMS."""

    code: Code
    finess_et: str | None
    name: str
    text: str

    @property
    def line(self) -> str:
        return f"{self.name} : {self.text}"

    def item(self) -> dict[str, str | None]:
        return {"code": self.code, "finess_et": self.finess_et, "text": self.text}


def alerts(counting: Counting, grappe: Grappe, measures: Sequence[Measure], now: datetime) -> list[Alert]:
    """From measures of one grappe, the last window of each ESSMS deciding. Call it inside one read transaction."""
    found = [alert for essms in grappe.essms for alert in _of_essms(counting, essms, last_rows(measures, essms.finess_et), now)]
    return [*found, *_shared(grappe), *_unattributed(grappe, measures)]


#: Said once for many ESSMS.
_TOGETHER: dict[Code, str] = {
    "denominateur-ancien": "nombre de personnes d'avant le dernier 31 décembre",
    "aucun-evenement": "aucun envoi compté depuis le début",
    "silence": "aucun message depuis sept jours au moins",
}
_MANY = 3


def lines(found: Sequence[Alert]) -> list[str]:
    """French lines to print: one per alert, but one for all the ESSMS that only say what many others say."""
    shared = {code: mine for code in _TOGETHER if len(mine := [one for one in found if one.code == code]) > _MANY}
    said = [one.line for one in found if one.code not in shared]
    return [*said, *(f"{len(mine)} ESSMS : {_TOGETHER[code]}" for code, mine in shared.items())]


def _of_essms(counting: Counting, essms: Essms, rows: Sequence[Measure], now: datetime) -> Iterator[Alert]:
    if not rows:
        return
    for row in rows:
        if row.indicator == "IND-DMP-01" and row.denominator and row.numerator > row.denominator:
            yield _alert(essms, "plus-de-100", f"{row.numerator} personnes alimentées pour {row.denominator} : dénominateur faux")
    window = rows[0].window
    declared = essms.denominator(window.last_day)
    if declared is not None and declared.since < _last_31_december(window.last_day):
        since = f"{declared.since:%d/%m/%Y}"
        yield _alert(essms, "denominateur-ancien", f"nombre de personnes du {since}, d'avant le dernier 31 décembre")
    last = [counting.last_unit(indicator, essms.finess_et) for indicator in SOCLE]
    if last == [None] * len(SOCLE):
        yield _alert(essms, "aucun-evenement", "aucun envoi compté depuis le début")
    sent = counting.last_unit("IND-MSS-01", essms.finess_et)
    if sent is not None and now - sent >= SILENCE:
        day = sent.astimezone(zone_of(essms.finess_et))
        yield _alert(essms, "silence", f"aucun message depuis le {day:%d/%m/%Y}")
    yield from _self_mailing(counting, essms, Slot("IND-MSS-01", essms.finess_et, window))


def _self_mailing(counting: Counting, essms: Essms, slot: Slot) -> Iterator[Alert]:
    seen = signs(counting, slot)
    if seen is None:
        return
    if seen.messages >= _FEW and 100 * seen.first_sender > _ONE_USER_PERCENT * seen.messages:
        yield _alert(essms, "un-seul-utilisateur", f"{seen.first_sender} messages sur {seen.messages} d'un seul professionnel")
    if seen.messages >= _FEW and 100 * seen.internal >= _INTERNAL_PERCENT * seen.messages:
        yield _alert(essms, "messages-internes", f"{seen.internal} messages sur {seen.messages} envoyés à son propre domaine")
    if seen.automatic >= _FEW and 100 * seen.automatic >= _AUTOMATIC_PERCENT * seen.messages:
        text = f"{seen.automatic} accusés ou réponses automatiques pour {seen.messages} messages"
        yield _alert(essms, "reponses-automatiques", text)


def _shared(grappe: Grappe) -> Iterator[Alert]:
    """Two ESSMS that have one mailbox on the same day: its messages belong to nobody."""
    owned = [(box.address.lower(), box, essms) for essms in grappe.essms for box in essms.mailboxes]
    for n, (address, box, essms) in enumerate(owned):
        for other_address, other, owner in owned[n + 1 :]:
            if address == other_address and owner is not essms and _overlap((box.since, box.until), (other.since, other.until)):
                text = f"même boîte MSSanté que {owner.name} : ses messages ne sont attribués à personne"
                yield _alert(essms, "bal-partagee", text)


def _unattributed(grappe: Grappe, measures: Sequence[Measure]) -> Iterator[Alert]:
    end = max((row.window.end for row in measures), default=None)
    for row in measures:
        if row.level == "grappe" and row.window.end == end and row.unattributed:
            text = f"{row.indicator}, {row.unattributed} envoi(s) accepté(s) attribué(s) à personne dans tout l'environnement"
            yield Alert("non-attribues", None, grappe.name, text)


def _alert(essms: Essms, code: Code, text: str) -> Alert:
    return Alert(code, essms.finess_et, essms.name, text)


def _last_31_december(day: date) -> date:
    return day if (day.month, day.day) == (12, 31) else date(day.year - 1, 12, 31)


def _overlap(first: tuple[date, date | None], second: tuple[date, date | None]) -> bool:
    return (first[1] is None or second[0] < first[1]) and (second[1] is None or first[0] < second[1])
