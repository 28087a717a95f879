"""`socle usage close`: write down the measures of the windows that are over (design §6, decision 0032)."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.cli.admin import act
from gateway.cli.common import AsJson, By, DataFolder, check_author, tell
from gateway.cli.usage_asked import GrappeId, journal_errors, registry_of
from gateway.journal.journal import Journal
from gateway.journal.standing import clock_of, environment_of
from gateway.settings import Settings
from gateway.usage.closing import Closer


def close(grappe: GrappeId = None, by: By = "administrateur", data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Clôt les fenêtres finies où rien n'est en doute ; deux fois de suite, n'écrit rien de plus."""
    check_author(by)
    registry_of(data, grappe)  # said before anything is opened
    environment = Settings().environment

    async def alone(journal: Journal) -> dict[str, Any]:
        folder = data / "gateway"
        closer = Closer(folder, registry_of(data), environment_of(folder) or environment)
        return {"closed": await closer.close(journal, clock_of(folder).business(), by=by, grappe=grappe)}

    wanted = {"by": by} | ({} if grappe is None else {"grappe": grappe})
    with journal_errors(data):
        done = act(data, environment, "/admin/usage/close", wanted, alone)
    tell(done, as_json, "\n".join(map(_line, done["closed"])) or _NOTHING)


_NOTHING = (
    "Rien à clore : chaque fenêtre finie l'est déjà, ou un appel y est en doute depuis moins de cinq jours après sa fin "
    "(socle usage rates --month AAAA-MM donne l'état)."
)


def _line(closed: dict[str, Any]) -> str:
    window = closed["window"]
    said = f"{closed['grappe']} : fenêtre du {window['start']} au {window['end']} exclu, close en version {closed['version']}"
    return "\n".join([said, *dict.fromkeys(f"  {cause['text']}" for cause in closed["causes"])])
