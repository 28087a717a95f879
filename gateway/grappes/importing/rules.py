"""Rules R0 to R8: what is kept of the numbers typed for one establishment (programme-indicateurs §4). Pure functions.

Nothing is corrected here: ``confirme`` needs no one, ``corrige_propose`` waits for a person, ``a_verifier`` keeps what was
typed. Where the table of rules is silent, decision 0028 says what we take.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from connectors.nomenclatures.identifiers import is_finess_form, luhn_holds
from gateway.grappes.importing import numbers as n
from gateway.grappes.model import Statut


@dataclass(frozen=True, slots=True)
class Expected:
    """The department where the establishment should be.

    certain  from a postcode or a department typed beside it; otherwise from its legal entity, which may be elsewhere:
             that helps to read a number with a wrong length, and never doubts one that holds
    """

    department: str | None = None
    certain: bool = False

    @property
    def required(self) -> str | None:
        return self.department if self.certain else None

    def __str__(self) -> str:
        return f"le département {self.department}" if self.department else "aucun département connu"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``choix``: the numbers that a person may want to look at, never applied. ``corrects``: what a proposal was read from."""

    retenu: str
    statut: Statut
    regle: str
    justification: str = ""
    choix: tuple[str, ...] = ()
    corrects: str = ""


def judge(typed: Sequence[str], expected: Expected, others: Collection[str] = (), legal: Collection[str] = ()) -> Verdict:
    """What is kept for one establishment, before its neighbours are looked at.

    typed   the number as each document writes it, in the order in which documents are believed
    others  numbers typed in the grappe: no correction may land on one of them
    legal   numbers of legal entities of the grappe: never an establishment's
    """
    filled = [text for text in typed if n.plain(text)]
    if not filled:
        return Verdict("", "a_verifier", "R6", "aucun numéro saisi ; demandez-le au porteur ou à FINESS")
    found = list(dict.fromkeys(n.plain(text) for text in filled))
    if len(found) > 1:
        return _several(found, expected, others, legal)
    return _one(filled, found[0], expected, others, legal)


def shared(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """R8: the number kept on several rows is asked about on each of them, whatever its key."""
    times = Counter(one.retenu for one in verdicts if one.retenu)
    return [_shared(one, times[one.retenu]) if times[one.retenu] > 1 else one for one in verdicts]


def _shared(verdict: Verdict, times: int) -> Verdict:
    why = f"même numéro pour {times} établissements ; un seul site, ou l'entité juridique, peut le porter"
    if verdict.corrects:  # a proposal that two rows claim is nobody's: what was typed stays
        why = f"{verdict.retenu} serait la correction de {times} établissements ; un seul site peut le porter"
        return Verdict(verdict.corrects, "a_verifier", "R8", why, verdict.choix)
    return replace(verdict, statut="a_verifier", regle="R8", justification=why, choix=())


def _one(filled: Sequence[str], number: str, expected: Expected, others: Collection[str], legal: Collection[str]) -> Verdict:
    if number in legal:
        return _legal(number)
    if n.holds(number, expected.required):
        if all(text == number for text in filled):
            return Verdict(number, "confirme", "R0")
        return Verdict(number, "confirme", "R1", "espaces et séparateurs à retirer")
    if any(n.is_scientific(text) for text in filled):
        return Verdict(number, "a_verifier", "R6", "un tableur a arrondi le numéro en notation scientifique ; reprenez la source")
    if len(number) == n.SHORT:
        return _proposed([number], n.insertions(number, expected.department), "R3", expected, others, legal)
    if len(number) == n.LONG:
        return _proposed([number], n.deletions(number, expected.department), "R5", expected, others, legal)
    return _kept(number, expected, others, legal)


def _several(found: Sequence[str], expected: Expected, others: Collection[str], legal: Collection[str]) -> Verdict:
    good = [one for one in found if n.holds(one, expected.required) and one not in legal]
    if len(good) == 1:
        rest = [one for one in found if one != good[0]]
        short = all(len(one) == n.SHORT and n.is_one_short(one, good[0]) for one in rest)
        why = f"{good[0]} a une clé juste dans {expected}" if expected.required else f"{good[0]} a une clé juste"
        lost = f"chiffre perdu dans un tableau ({', '.join(rest)}) ; " if short else f"tableaux divergents ({', '.join(rest)}) ; "
        return Verdict(good[0], "confirme", "R4" if short else "R2", lost + why)
    if good:
        why = f"tableaux divergents, et {' comme '.join(good)} ont une clé juste : aucun ne l'emporte"
        return Verdict(found[0], "a_verifier", "R2", why, tuple(good))
    if found[0] in legal:
        return _legal(found[0])
    if all(len(one) == n.SHORT for one in found):
        return _proposed(found, _common(n.insertions(one, expected.department) for one in found), "R3", expected, others, legal)
    if all(len(one) == n.LONG for one in found):
        return _proposed(found, _common(n.deletions(one, expected.department) for one in found), "R5", expected, others, legal)
    return _kept(found[0], expected, others, legal)


def _proposed(
    found: Sequence[str], candidates: list[str], rule: str, expected: Expected, others: Collection[str], legal: Collection[str]
) -> Verdict:
    """R3 and R5: one candidate is proposed; several, or one that is another row's number, prove nothing."""
    change = "insertion" if rule == "R3" else "suppression"
    said = f"{len(found[0])} caractères saisis"
    if len(candidates) == 1 and candidates[0] not in others and candidates[0] not in legal:
        why = f"{said} ; seule {change} compatible avec la clé et {expected}"
        return Verdict(candidates[0], "corrige_propose", rule, why, (candidates[0],), found[0])
    if len(candidates) == 1:
        why = f"{said} ; la seule {change} possible donne le numéro d'un autre établissement ou d'une entité juridique"
        return Verdict(found[0], "a_verifier", "R6", why)
    plural = "s" if len(candidates) > 1 else ""
    why = f"{said} ; {len(candidates) or 'aucune'} {change}{plural} compatible{plural} avec la clé et {expected}"
    return Verdict(found[0], "a_verifier", "R6", why, tuple(candidates))


def _kept(number: str, expected: Expected, others: Collection[str], legal: Collection[str]) -> Verdict:
    """R6 and R7: kept as typed."""
    free = [one for one in _near(number, expected) if one not in others and one not in legal]
    if not is_finess_form(number):
        return Verdict(number, "a_verifier", "R6", n.kind_of(number), tuple(free))
    if luhn_holds(number):
        if expected.required is None:
            return Verdict(number, "a_verifier", "R7", n.kind_of(number), tuple(free))
        place = n.department_of(number)
        begins = number[:2] if place in (None, number[:2]) else f"{number[:2]} (département {place})"
        why = f"clé juste mais préfixe {begins} alors que l'adresse est dans {expected} ; entité juridique ou autre site ?"
        return Verdict(number, "a_verifier", "R7", why, tuple(free))
    why = "clé de contrôle fausse"
    if expected.department:
        why += f" ; corrections d'un chiffre possibles dans {expected} : {len(free)}"
    return Verdict(number, "a_verifier", "R6", why, tuple(free))


def _near(number: str, expected: Expected) -> list[str]:
    """A scanner's letters read as digits; else, in a known department, one digit changed."""
    read = n.readings(number, expected.required)
    if read or not expected.department or not is_finess_form(number):
        return read
    return n.substitutions(number, expected.department)


def _legal(number: str) -> Verdict:
    why = "ce numéro est celui d'une entité juridique de la grappe ; donnez le numéro géographique de l'établissement"
    return Verdict(number, "a_verifier", "R8", why)


def _common(lists: Iterable[list[str]]) -> list[str]:
    first, *rest = lists
    return [one for one in first if all(one in other for other in rest)]
