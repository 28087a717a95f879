"""Acts on the journal, through the running gateway's console or, when none runs, by opening the journal oneself."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
import orjson

from connectors.wire.asking import ask
from connectors.wire.http import UpstreamError
from connectors.wire.serving import FIXED_PORTS
from gateway.cli.common import BAD_INPUT, REFUSED_TO_START, UNAVAILABLE, fail, need_journal
from gateway.journal.journal import LOCK_NAME, Journal
from gateway.journal.location import present
from gateway.journal.lock import FolderLock
from gateway.journal.proof.guard import check_sizes
from gateway.journal.record import JournalError, JournalFull, JournalLocked
from gateway.journal.standing import clock_of, environment_of
from gateway.settings import Environment, Settings
from gateway.supervise import RUN_FILE

_TIMEOUT_S = 600.0  # an erasure opens every sealed value


def act(
    data: Path, environment: Environment, path: str, body: dict[str, Any],
    alone: Callable[[Journal], Awaitable[dict[str, Any]]], *,
    create: bool = False, method: str = "POST", headers: Sequence[tuple[bytes, bytes]] = (),
) -> dict[str, Any]:  # fmt: skip
    """Do it with ``alone`` on the journal that nobody has open, else send ``body`` to the console's ``path``.

    The folder's lock decides, so that nothing is written beside a gateway. ``environment`` is that of a journal without
    entries: another's is its own. ``create``: begin the journal when there is none yet. What was done, as JSON; ends the
    command on failure.
    """
    folder = data / "gateway"
    if not create:
        need_journal(data)
    try:
        if present(folder):
            check_sizes(folder)
        return asyncio.run(_alone(folder, environment_of(folder) or environment, alone))
    except JournalLocked:
        return post(data, path, body, method=method, headers=headers)
    except JournalFull:
        fail(f"Le journal de {data} n'a plus de place : faites-en sur son disque, recommencez. Rien n'a été changé.", UNAVAILABLE)
    except JournalError as error:
        fail(f"Le journal de {data} refuse : {str(error).rstrip('.')}. Rien n'a été changé.", REFUSED_TO_START)
    except apsw.Error as error:
        fail(f"Le journal de {data} est abîmé ({error}) : gardez ses fichiers, restaurez une copie ailleurs.", REFUSED_TO_START)


def note(data: Path, action: str, by: str, said: dict[str, Any]) -> None:
    """Write the admin entry of something that a command does beside the journal; ends the command when it cannot be written."""

    async def alone(journal: Journal) -> dict[str, Any]:
        await journal.write(journal.admin({"action": action, "by": by, **said}))
        return {}

    act(data, Settings().environment, f"/admin/{action}", {"by": by, **said}, alone)


def need_gateway(data: Path) -> None:
    """End the command when no gateway runs on this folder: what it asks cannot be done without one."""
    folder = data / "gateway"
    if folder.is_dir():
        try:
            FolderLock(folder / LOCK_NAME).release()
        except JournalLocked:
            return
    fail(f"Aucune passerelle ne tourne sur {data}. Démarrez-la (socle up), puis recommencez : rien n'a été changé.", UNAVAILABLE)


def post(
    data: Path, path: str, body: dict[str, Any], *, method: str = "POST", headers: Sequence[tuple[bytes, bytes]] = ()
) -> dict[str, Any]:
    """Send to the console of the gateway that runs on this folder; its answer. Ends the command when it refuses or is silent."""
    try:
        key = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())["admin_key"]
    except (OSError, ValueError, KeyError):
        fail(f"La clé d'administration manque dans {data / 'sandbox' / 'sandbox.json'} : la passerelle refuserait.", BAD_INPUT)
    known = [(b"X-Socle-Admin-Key", key.encode("ascii")), (b"Content-Type", b"application/json"), *headers]
    url = f"http://127.0.0.1:{_port(data)}{path}"
    try:
        answer = ask(method, url, headers=known, body=orjson.dumps(body), timeout_s=_TIMEOUT_S)
    except UpstreamError as error:
        fail(f"La passerelle de {data} tient le journal mais sa console ne répond pas ({error.reason}). Réessayez.", UNAVAILABLE)
    said: dict[str, Any] = orjson.loads(answer.body) if answer.body[:1] == b"{" else {}
    if answer.status >= 400:
        code = UNAVAILABLE if answer.status >= 500 else BAD_INPUT
        fail(f"Refusé par la passerelle : {said.get('detail', answer.status)}", code)
    return said


async def _alone(
    folder: Path, environment: str, alone: Callable[[Journal], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    journal = Journal.open(folder, environment=environment, clock=clock_of(folder))
    try:
        return await alone(journal)
    finally:
        await journal.close()


def _port(data: Path) -> int:
    """Of the console: where a supervisor put it, else its fixed one (`socle gateway` alone)."""
    try:
        return int(orjson.loads((data / RUN_FILE).read_bytes())["ports"]["console"])
    except (OSError, ValueError, KeyError):
        return FIXED_PORTS["console"]
