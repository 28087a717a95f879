"""`python -m gateway`: one gateway process (docs/architecture.md, « Processes »)."""
from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import sys
from pathlib import Path
from typing import Any

import apsw
import orjson
from pydantic import ValidationError
from pydantic_settings import SettingsError

from connectors.wire.logs import log_as_json
from connectors.wire.serving import until_stopped
from gateway.access.start_guard import WrongProfile
from gateway.app import Gateway
from gateway.collector import look_less_often
from gateway.grappes.reading import RegistryError
from gateway.heap import keep_one_heap
from gateway.journal.connection import StoreLost
from gateway.journal.location import WrongStore
from gateway.journal.record import JournalError, JournalFull, JournalLocked
from gateway.settings import Settings, why_refused

BAD_INPUT, UNAVAILABLE, REFUSED_TO_START = 2, 3, 4
_WATCH_S = 0.5


def main() -> int:
    """Exit codes of design §9: 2 bad settings, 3 a port is taken or the server of the
    journal does not answer, 4 refused to start or stopped to protect the journal."""
    arguments = argparse.ArgumentParser(prog="socle gateway")
    arguments.add_argument("--data", type=Path, default=None)
    arguments.add_argument("--accept-fork", action="store_true")
    arguments.add_argument("--worker", type=int, default=1)
    chosen = arguments.parse_args()
    log_as_json()
    keep_one_heap()
    try:
        settings = Settings() if chosen.data is None else Settings(data=chosen.data)
        gateway = Gateway.open(settings, accept_fork=chosen.accept_fork, worker=chosen.worker)
    except (ValidationError, SettingsError) as error:
        return _stop(why_refused(error), BAD_INPUT)
    except FileNotFoundError as error:
        return _stop(f"Le bac à sable n'est pas préparé : {error.filename} manque. Lancez « socle up ».", BAD_INPUT)
    except (RegistryError, WrongStore, WrongProfile) as error:
        return _stop(str(error), BAD_INPUT)
    except JournalLocked as error:
        return _stop(f"Le journal de {settings.journal} est déjà ouvert par le processus {error.pid}.", REFUSED_TO_START)
    except JournalFull:
        return _stop(f"Le journal de {settings.journal} ne s'ouvre pas : plus de place sur son disque.", REFUSED_TO_START)
    except StoreLost as error:
        return _stop(f"Le journal n'est pas joignable : {error}", UNAVAILABLE)
    except JournalError as error:
        return _stop(f"Le journal refuse de s'ouvrir : {error}", REFUSED_TO_START)
    except apsw.Error as error:
        return _stop(
            f"Le journal de {settings.journal} est abîmé ({error}) : gardez ses fichiers, restaurez une copie ailleurs "
            "(socle journal restore).", REFUSED_TO_START,
        )  # fmt: skip
    try:
        asyncio.run(_serve(gateway))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return _stop(f"Un port de la passerelle est déjà pris : {error}", UNAVAILABLE)
    except JournalError as error:
        return _stop(f"Le journal refuse de s'ouvrir : {error}", REFUSED_TO_START)
    return 0


async def _serve(gateway: Gateway) -> None:
    watch = asyncio.create_task(_die_with_the_journal(gateway))
    try:
        await gateway.run(_announce, until_stopped)
    finally:
        watch.cancel()


async def _die_with_the_journal(gateway: Gateway) -> None:
    """A journal whose disk failed can promise nothing: leave at once, unanswered calls are settled at the next start."""
    while (why := gateway.cut_off) is None:  # noqa: ASYNC110 it is set by the journal's own thread
        await asyncio.sleep(_WATCH_S)
    logging.getLogger(__name__).critical("journal_stopped_the_gateway", extra={"reason": str(why)})
    os._exit(REFUSED_TO_START)


def _announce(name: str | None, url: str | None) -> None:
    said: dict[str, Any] = {"pret": True} if name is None else {"ready": name, "url": url}
    if name is None:
        look_less_often()
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
    sys.stdout.flush()


def _stop(line: str, code: int) -> int:
    sys.stderr.write(line + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
