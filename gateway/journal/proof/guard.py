"""Before a command writes into a journal by itself: it is not shorter than what was signed of it (design §5.5)."""
from __future__ import annotations

from pathlib import Path

import apsw

from gateway.journal.proof import snapshot
from gateway.journal.proof.forks import Fork, JournalForked
from gateway.journal.proof.leaves import Leaves
from gateway.journal.proof.register import RegisterError
from gateway.journal.record import JournalUnsafe


def check_sizes(folder: Path) -> None:
    """The whole comparison is the gateway's, when it starts; this one costs a few look-ups and changes nothing.

    Raises JournalForked when a log has fewer entries than its last checkpoint covers, JournalUnsafe when the registry cannot
    be read, JournalError when the journal cannot.
    """
    try:
        last = snapshot.latest(folder)
    except RegisterError as error:
        raise JournalUnsafe(f"le registre du journal (registry/) est abîmé : {error}") from error
    if last is None:
        return
    sizes = _sizes(folder)
    found = [
        Fork(head.log, "shorter", sizes.get(head.log, 0), head, last.at)
        for head in last.vector
        if sizes.get(head.log, 0) < head.size
    ]
    if found:
        raise JournalForked(found)


def _sizes(folder: Path) -> dict[int, int]:
    leaves = Leaves(folder, older=True)
    try:
        return leaves.sizes()
    except apsw.SQLError:  # a file without tables
        return {}
    finally:
        leaves.close()
