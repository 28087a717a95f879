"""The page of magic data and of the codes that armed faults answer, made from the ledgers (docs/magic-data.md, French)."""
from __future__ import annotations

from mocks.sandbox.codes import Codes, codes_in
from mocks.sandbox.fidelity import TITLES, cited, table, text
from mocks.sandbox.ledger import LEDGERS, Behaviour, read_ledger

_OPENING = """\
# Données magiques et codes des pannes

Ce qui, dans le bac à sable, amène une réponse choisie : une donnée, un réglage, ou une panne armée ([pannes.md](pannes.md)).
Page tirée des registres `mocks/*/ledger.toml` par `python -m mocks magic > docs/magic-data.md` : ne la modifiez pas à la main.

Les commandes `curl` passent par les portes simples : `export PORTE=http://127.0.0.1:8080 CLE=…`, la clé étant
`cle_portes_simples` de `socle up --json`. Une panne armée vaut pour le prochain appel de votre DUI, par n'importe quelle porte.
"""


def page() -> str:
    """The whole page, as docs/magic-data.md holds it."""
    return "\n".join([_OPENING, *(part for name in LEDGERS if (part := _service(name)))])


def _service(name: str) -> str:
    claims = [claim for claim in read_ledger(name) if claim.magic]
    codes = codes_in(name)
    shown = ["\n".join(_claim(claim) for claim in claims)] if claims else []
    if codes:
        rows = table(["opération", "étape", "codes", "ce qu'ils disent"], map(_row, codes))
        shown.append(f"### Codes d'une panne armée\n\n{rows}\n{_example(codes[0])}")
    return "\n".join([f"## {TITLES[name]}\n", *shown]) if shown else ""


def _claim(claim: Behaviour) -> str:
    answered = f"Code : `{claim.code}`.\n" if claim.code else ""
    tried = f"\n```sh\n{claim.tried}\n```\n" if claim.tried else ""
    return f"### {text(claim.magic)}\n\n{_sentence(text(claim.says))}\n{answered}{tried}"


def _row(row: Codes) -> list[str]:
    sure = f" (source : {cited(row.source)})" if row.source else f" (supposé : {cited(row.why)})"
    operations, steps, codes = (" ".join(f"`{one}`" for one in words) for words in (row.operations, row.steps, row.codes))
    return [operations, steps, codes, text(row.says) + sure]


def _example(row: Codes) -> str:
    step = f" --step {row.steps[0]}" if row.steps else ""
    return f"```sh\nsocle sandbox faults arm {row.operations[0]} business {row.codes[0]}{step}\n```\n"


def _sentence(said: str) -> str:
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
