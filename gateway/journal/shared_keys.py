"""The gateways of one database name values by one key: by two, one person would have two names, and count twice (design §5.6)."""
from __future__ import annotations

from gateway.journal.connection import Connection
from gateway.journal.record import JournalUnsafe
from gateway.journal.vault import Vault


def agree(connection: Connection, vault: Vault) -> None:
    """Whoever comes first says which key it is. Raises JournalUnsafe for another one."""
    connection.execute("UPDATE store SET names_by = ? WHERE names_by IS NULL", (vault.names_by,))
    if connection.execute("SELECT names_by FROM store").get != vault.names_by:
        raise JournalUnsafe(
            "la clé K (keys/K) de ce dossier n'est pas celle de cette base : une personne y aurait deux noms et compterait deux "
            "fois. Donnez le dossier des autres passerelles (--data), ou remettez-y leur clé ; un autre journal, sa base"
        )
