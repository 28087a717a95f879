"""Every state of the registry, kept: ``versions/<grappe>/<n>.json`` beside the current files (decision 0030).

The file of a version is written first and never changes. The version is in force once the journal has its admin entry; the
current file ``<grappe>.json`` is then only a copy of it, for people and for programs that read no journal.
"""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError, read_grappe, write_grappe
from gateway.journal.connection import spoken
from gateway.journal.database import open_for_reading
from gateway.journal.durable import sync_folder, write_durably
from gateway.journal.location import FILE_NAME, present

ACTION = "registry"  # of the admin entries that put a version in force
_FOLDER = "versions"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Noted:
    """What the journal says of the last version of a grappe. ``sha256`` is that of its file."""

    version: int
    sha256: str


def may_name(grappe_id: str) -> bool:
    """Whether this identifier may name a folder of versions."""
    return _ID.fullmatch(grappe_id) is not None


def check_id(grappe_id: str) -> str:
    """An identifier that may name files. Raises RegistryError."""
    if not may_name(grappe_id):
        raise RegistryError(
            "Identifiant de grappe refusé : minuscules sans accent, chiffres et tirets, 64 au plus (« marseille-hyeres »)."
        )
    return grappe_id


def sha256_of(grappe: Grappe) -> str:
    return hashlib.sha256(write_grappe(grappe)).hexdigest()


def load_version(folder: Path, grappe_id: str, number: int) -> Grappe:
    """One version of a grappe, whatever came since; ``folder`` is the registry's. Raises RegistryError when nobody kept it."""
    path = _path(folder, grappe_id, number)
    if path.exists():
        return read_grappe(path)
    current = _current(folder, grappe_id)
    if current.exists() and (grappe := read_grappe(current)).registry_version == number:
        return grappe
    known = ", ".join(str(one) for one in kept(folder, grappe_id)) or "aucune"
    raise RegistryError(f"Grappe « {grappe_id} », version {number} : inconnue. Versions gardées : {known}.")


def kept(folder: Path, grappe_id: str) -> list[int]:
    """The versions that have a file, in order; the last one may not be in force."""
    return sorted(int(path.stem) for path in _path(folder, grappe_id, 0).parent.glob("*.json") if path.stem.isdecimal())


def keep(folder: Path, grappe: Grappe) -> None:
    """Write the file of a version, on disk when it returns. One that no entry names, left by a process that died, is replaced."""
    path = _path(folder, grappe.id, grappe.registry_version)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, write_grappe(grappe))
    sync_folder(folder / _FOLDER)
    sync_folder(folder)


def drop(folder: Path, grappe: Grappe) -> None:
    """Take back a version that never was in force."""
    _path(folder, grappe.id, grappe.registry_version).unlink(missing_ok=True)


def put_forward(folder: Path, grappe: Grappe) -> None:
    """Make this version the current file; nothing to do when it is."""
    path = _current(folder, grappe.id)
    if not path.exists() or read_grappe(path) != grappe:
        write_durably(path, write_grappe(grappe))


def in_force(folder: Path) -> list[Grappe]:
    """Every grappe as the journal has it, in the order of the current files' names. Raises RegistryError.

    A process may have died between an entry and its current file, which then still is an earlier version, to the letter: the
    journal beside the folder is asked when there is a later one. A file that people changed is what they made of it.
    """
    current = [read_grappe(path) for path in sorted(folder.glob("*.json"))]
    last = _last_kept(folder)
    behind = {one.id for one in current if one.registry_version < last.get(one.id, 0) and _as_kept(folder, one)}
    waiting = behind | (last.keys() - {one.id for one in current})
    if not waiting:
        return current
    said = noted(folder.parent)
    numbers = {one.id: one.registry_version for one in current}
    ahead = [name for name in sorted(waiting) if name in said and said[name].version > numbers.get(name, 0)]
    newer = {name: _as_noted(folder, name, said[name]) for name in ahead}
    return [newer.pop(one.id, one) for one in current] + list(newer.values())


def noted(gateway: Path) -> dict[str, Noted]:
    """The last version of each grappe that the journal of this gateway folder has an entry for; without a journal, none."""
    details = [one["detail"] for one in registry_entries(gateway)]
    return {said["grappe"]: Noted(said["version"], said["sha256"]) for said in details}


def registry_entries(gateway: Path) -> list[dict[str, Any]]:
    """The admin entries of the registry, the oldest first; without a journal, none."""
    if not present(gateway):
        return []
    connection = open_for_reading(gateway / FILE_NAME, older=True)
    try:
        rows = connection.execute(spoken(connection, sqlite=_ADMIN, postgres=_ACTS))
        entries = [orjson.loads(body) for (body,) in rows]
    finally:
        connection.close()
    return [one for one in entries if (one["detail"] or {}).get("action") == ACTION]


def file_of(folder: Path, grappe_id: str, number: int) -> bytes | None:
    """The bytes of one version; None when there is no file."""
    path = _path(folder, grappe_id, number)
    return path.read_bytes() if path.exists() else None


def _as_noted(folder: Path, grappe_id: str, said: Noted) -> Grappe:
    path, content = _path(folder, grappe_id, said.version), file_of(folder, grappe_id, said.version)
    if content is None or hashlib.sha256(content).hexdigest() != said.sha256:
        raise RegistryError(
            f"Registre des grappes, {grappe_id} : le journal nomme une version {said.version}, dont le fichier manque ou a "
            f"changé. Rétablissez {path.name} dans {path.parent} depuis une sauvegarde."
        )
    return read_grappe(path)


def _as_kept(folder: Path, grappe: Grappe) -> bool:
    path = _path(folder, grappe.id, grappe.registry_version)
    return not path.exists() or read_grappe(path) == grappe


def _last_kept(folder: Path) -> dict[str, int]:
    names = [path.name for path in (folder / _FOLDER).glob("*") if path.is_dir() and may_name(path.name)]
    return {name: max(numbers) for name in names if (numbers := kept(folder, name))}


def _current(folder: Path, grappe_id: str) -> Path:
    """The current file of a grappe; one that somebody wrote may have another name."""
    usual = folder / f"{grappe_id}.json"
    others = (path for path in sorted(folder.glob("*.json")) if orjson.loads(path.read_bytes()).get("id") == grappe_id)
    return usual if usual.exists() else next(others, usual)


def _path(folder: Path, grappe_id: str, number: int) -> Path:
    return folder / _FOLDER / check_id(grappe_id) / f"{number}.json"


_ADMIN = "SELECT body FROM entries WHERE operation IS NULL AND kind = 'admin' ORDER BY pos"
_ACTS = "SELECT body FROM acts JOIN entries USING (pos) ORDER BY n"  # several logs: places say nothing of what came first
