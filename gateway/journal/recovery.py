"""What becomes of calls whose answer was lost (design §5.1 and §5.3)."""
from __future__ import annotations

from gateway.journal.store import STOPPED_WITH_INTENT, Store

_BATCH = 500


def recover(store: Store) -> int:
    """Turn each intent of a dead process into one entry in doubt; returns how many.

    The gateway may have died on either side of the last byte: the entry says that one exchange was begun and not read.
    """
    recovered = 0
    while True:
        with store.transaction():
            drafts = store.drafts_of_dead_boots(_BATCH)
            for draft in drafts:
                draft["flags"].append(STOPPED_WITH_INTENT)
                draft["exchanges"] = draft["exchanges"] or [{"code": None, "upstream_us": 0}]
                store.append(draft)
        recovered += len(drafts)
        if len(drafts) < _BATCH:
            return recovered
