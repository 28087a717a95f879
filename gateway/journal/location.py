"""Where the journal of a folder is: in the SQLite file beside, or on the PostgreSQL server that ``journal.dsn`` names."""
from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from gateway.journal.durable import write_durably

FILE_NAME = "journal.sqlite3"
ADDRESS_NAME = "journal.dsn"
_SCHEMES = ("postgresql", "postgres")


class WrongStore(ValueError):
    """The store that is asked for cannot be this folder's; French, for who asked."""


def address_of(folder: Path) -> str | None:
    """The URI of the server, with whatever secret it holds; None when the journal is the SQLite file."""
    try:
        return (folder / ADDRESS_NAME).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def present(folder: Path) -> bool:
    """Whether this folder has a journal, of either kind."""
    return (folder / FILE_NAME).exists() or (folder / ADDRESS_NAME).exists()


def choose(folder: Path, address: str) -> None:
    """Put the journal of this folder on a server, for good: every command that is given the folder then finds it there.

    Raises WrongStore for what is no such address, and for a folder whose journal is elsewhere already.
    """
    if urlsplit(address).scheme not in _SCHEMES:
        raise WrongStore("Adresse de magasin refusée : écrivez postgresql://utilisateur@serveur/base (SOCLE_STORE ou --store).")
    known = address_of(folder)
    if known == address:
        return
    if known is not None:
        raise WrongStore(
            f"Le journal de {folder} est déjà dans une autre base ({ADDRESS_NAME}) : reprenez cette adresse, ou donnez un autre "
            "dossier avec --data. Si le serveur a changé de nom ou de mot de passe, corrigez ce fichier."
        )
    if (folder / FILE_NAME).exists():
        raise WrongStore(
            f"{folder} a déjà un journal SQLite ({FILE_NAME}), et deux journaux ne se fondent pas : "
            "donnez un dossier neuf avec --data, ou retirez SOCLE_STORE et --store."
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(folder / ADDRESS_NAME, f"{address}\n".encode())
