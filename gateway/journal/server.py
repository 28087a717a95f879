"""Opening a journal that is on a PostgreSQL server, safely or not at all (design §5, « Stores »; decision 0038)."""
from __future__ import annotations

from gateway.journal.connection import StoreError, StoreLost
from gateway.journal.heads import LEASE
from gateway.journal.postgres import PostgresConnection
from gateway.journal.record import JournalError, JournalUnsafe
from gateway.journal.schema import check_version_of, migrate_postgres, version_of
from gateway.journal.shared_head import SESSION_OF

NAME = "le journal PostgreSQL"
_FIRST_VERSION = 140_000  # server_version_num
#: A reader sees one moment in each transaction. It may make tables of its own, which a read-only transaction could not.
_READING = {"default_transaction_isolation": "repeatable read"}
#: A gateway that stops in the middle of a transaction must not keep its rows from the others for longer than its lease. One
#: whose machine is gone says nothing: the server finds out by asking the network.
_WRITING = {
    "default_transaction_isolation": "read committed", "default_transaction_read_only": "off",
    "idle_in_transaction_session_timeout": str(int(LEASE.total_seconds() * 1000)),
    "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
}  # fmt: skip
#: Whose rows leave: with a person, with time, or once they have served.
_THINNED = ("entries", "bodies", "blobs", "facts", "facts_about", "refs", "keys", "own_keys", "intents", "doubts")
_SETTINGS = """
SELECT name, setting, reset_val FROM pg_settings
WHERE name IN ('server_version_num', 'fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')
"""


def open_for_writing(address: str) -> PostgresConnection:
    """A connection that may write, its schema up to date. Raises JournalUnsafe, StoreError."""
    connection = _connected(address, _WRITING)
    try:
        _insist(connection)
        migrate_postgres(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_beside(address: str, boot: str) -> PostgresConnection:
    """A second connection of a gateway that has its journal open, for what is no entry. Raises StoreError."""
    return _connected(address, _WRITING | _of(boot))


def open_for_reading(address: str, *, older: bool = False, boot: str | None = None) -> PostgresConnection:
    """A connection that only reads; the gateway ``boot``'s own when it takes locks. Raises JournalError for a schema of another
    version, StoreError."""
    connection = _connected(address, _READING | ({} if boot is None else _of(boot)))
    try:
        check_version_of(connection, NAME, older=older)
    except BaseException:
        connection.close()
        raise
    return connection


def is_new(address: str) -> bool:
    """Whether nothing was ever written there. Raises StoreError."""
    connection = _connected(address, _READING)
    try:
        return version_of(connection) == 0 or connection.execute("SELECT 1 FROM log_heads LIMIT 1").get is None
    finally:
        connection.close()


def vacuum(address: str) -> None:
    """Let go of the rows that were deleted, and look at what the tables hold: by itself a server looks at each month alone, and
    then reads all of them where it should seek one entry. Raises StoreError."""
    connection = _connected(address, {})
    try:
        connection.script(f"VACUUM (ANALYZE) {', '.join(_THINNED)}")
    finally:
        connection.close()


def size(address: str) -> int:
    """Bytes of the database. Raises StoreError."""
    connection = _connected(address, _READING)
    try:
        return int(connection.execute("SELECT pg_database_size(current_database())").get)
    finally:
        connection.close()


def refusal(settings: dict[str, tuple[str, str]]) -> str | None:
    """Why a server with these settings, each with its value in this session and by default, would lose entries; French.

    None: it loses none.
    """
    version = int(settings["server_version_num"][0])
    if version < _FIRST_VERSION:
        return f"PostgreSQL {version // 10_000} est trop ancien : mettez le serveur à jour, en version 14 au moins"
    for name in ("fsync", "full_page_writes"):
        if settings[name][0] != "on":
            return f"PostgreSQL a {name} = {settings[name][0]} : une coupure de courant perdrait des entrées ; remettez-le à on"
    commit, standbys = settings["synchronous_commit"][1], settings["synchronous_standby_names"][0]
    if commit == "off" or (commit == "local" and standbys):
        waited = "l'écriture sur le disque" if commit == "off" else f"les serveurs de secours demandés ({standbys})"
        return (
            f"PostgreSQL a synchronous_commit = {commit} pour ce rôle ou cette base, ce qui n'attend pas {waited} : "
            "remettez synchronous_commit = on (ALTER ROLE, ALTER DATABASE ou postgresql.conf)"
        )
    return None


def _insist(connection: PostgresConnection) -> None:
    """Refuse a server that would lose entries. A role may relax its own commits: the writer's are set here, and read back."""
    if connection.execute("SELECT pg_is_in_recovery()").get:
        raise JournalUnsafe("ce serveur PostgreSQL est un secours, qui ne s'écrit pas : donnez l'adresse du serveur principal")
    found = {name: (setting, default) for name, setting, default in connection.execute(_SETTINGS)}
    why = refusal(found)
    if why is not None:
        raise JournalUnsafe(why)
    wanted = "remote_apply" if found["synchronous_commit"][1] == "remote_apply" else "on"
    connection.script(f"SET synchronous_commit = {wanted}")
    obtained = connection.execute("SHOW synchronous_commit").get
    if obtained != wanted:
        raise JournalUnsafe(f"PostgreSQL n'accorde pas ce qui protège le journal : synchronous_commit vaut {obtained}")


def _of(boot: str) -> dict[str, str]:
    """Whose session it is, for the gateways that look for the locks of one that they took over."""
    return {"application_name": f"{SESSION_OF}{boot}"}


def _connected(address: str, settings: dict[str, str]) -> PostgresConnection:
    try:
        return PostgresConnection(address, settings)
    except StoreLost as error:
        raise StoreLost(f"{error} : vérifiez que le serveur tourne, et l'adresse dans journal.dsn") from error
    except StoreError as error:
        raise JournalError(f"{error} : vérifiez le rôle, le mot de passe et la base dans journal.dsn") from error
