"""The page that tells a vendor how far to trust the simulation, made from the ledgers (docs/fidelity.md, French)."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from mocks.sandbox.ledger import ASSUMED, LEDGERS, NOT_YET, Behaviour, read_ledger

TITLES = {
    "insi": "INSi", "dmp": "DMP", "mssante": "MSSanté", "psc": "Pro Santé Connect", "annuaire": "Annuaire Santé",
    "sandbox": "Certificats et population",
}  # fmt: skip

_OPENING = """\
# Fidélité de la simulation

Ce que la simulation fait comme le vrai service, ce qu'elle fait à sa façon faute de savoir, et ce qu'elle ne fait pas encore.
Page tirée des registres `mocks/*/ledger.toml` par `python -m mocks fidelity > docs/fidelity.md` : ne la modifiez pas à la main.

- **Établi** : le comportement est écrit ou a été observé quelque part. La source (`insi §5`) est une section des notes de
  référence du projet, rédigées à partir de documents publics. Un test de Socle vérifie chaque ligne.
- **Supposé** : personne ici n'a vu le vrai service répondre dans ce cas, ou c'est une commodité du bac à sable. Ne bâtissez rien
  de définitif dessus ; un test de Socle vérifie que la simulation fait ce qui est dit.
- **Pas encore** : le vrai service le vérifie ou le fait, la simulation non. Un message accepté ici peut y être refusé. Chaque
  réponse HTTP d'une simulation nomme ces lignes dans l'en-tête `X-Socle-Not-Checked`, et porte `X-Socle-Mock`.

Vous avez vu le vrai service répondre autrement ? Dites-le en citant l'identifiant de la ligne.
"""


def page() -> str:
    """The whole page, as docs/fidelity.md holds it."""
    ledgers = [(name, read_ledger(name)) for name in LEDGERS]
    return "\n".join([_OPENING, _counts(ledgers), *(_service(name, claims) for name, claims in ledgers)])


def _counts(ledgers: Sequence[tuple[str, Sequence[Behaviour]]]) -> str:
    rows = [
        [TITLES[name], *(str(len(_with(status, claims))) for status in ("", ASSUMED, NOT_YET))] for name, claims in ledgers
    ]
    return table(["service", "établi", "supposé", "pas encore"], rows)


def _service(name: str, claims: Sequence[Behaviour]) -> str:
    parts: list[tuple[str, str, Callable[[Behaviour], str], Sequence[Behaviour]]] = [
        ("Établi", "source", lambda claim: cited(claim.source), _with("", claims)),
        ("Supposé", "pourquoi", lambda claim: cited(claim.why), _with(ASSUMED, claims)),
        ("Pas encore", "pourquoi", lambda claim: cited(claim.why), _with(NOT_YET, claims)),
    ]
    shown = [f"### {title}\n\n{_claims(column, third, found)}" for title, column, third, found in parts if found]
    magic = [[text(claim.magic), text(claim.says)] for claim in claims if claim.magic]
    if magic:
        shown.append("### Données magiques\n\n" + table(["donnée ou réglage", "effet"], magic))
    return "\n".join([f"## {TITLES[name]}\n", *shown])


def _with(status: str, claims: Iterable[Behaviour]) -> list[Behaviour]:
    return [claim for claim in claims if claim.status == status]


def _claims(column: str, third: Callable[[Behaviour], str], claims: Iterable[Behaviour]) -> str:
    return table(["identifiant", "comportement", column], ([f"`{one.id}`", text(one.says), third(one)] for one in claims))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def text(value: str) -> str:
    """Markdown of a sentence: what a table or HTML would take for its own is escaped."""
    return re.sub(r"[|*\\]|(?<!\w)_", r"\\\g<0>", value).replace("<", "&lt;")


def cited(value: str) -> str:
    """The same, with references written as a reader says them: ``insi#5`` is « insi §5 »."""
    return re.sub(r"\b([a-z]+(?:-[a-z0-9]+)*)#(\d)", r"\1 §\2", text(value))
