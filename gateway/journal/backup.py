"""Copying the journal and its keys while it runs, and putting a copy back where there is none (docs/securite.md).

A copy is one tar file: ``manifest.json``, the journal as SQLite copied it in one moment, and ``files.sealed``: the keys and
every other small file of the folder, sealed by a passphrase (scrypt, AES-256-GCM) with the manifest as associated data. The
manifest holds the SHA-256 of the journal: who has not the passphrase can neither read a key nor change a byte unseen.
"""
from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import apsw
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.journal import database
from gateway.journal.canonical import text_of
from gateway.journal.durable import sync_folder
from gateway.journal.journal import FILE_NAME, LOCK_NAME
from gateway.journal.location import address_of
from gateway.journal.schema import migrations
from gateway.os_errors import in_french

FORM = 1
MANIFEST, SEALED = "manifest.json", "files.sealed"
SHORTEST_PASSPHRASE = 12
#: Not copied: made again from the entries, or meaningless elsewhere.
_LEFT_OUT = ("search.sqlite3", "tree/", "journal.ballast", LOCK_NAME, FILE_NAME)
_SALT_BYTES, _NONCE_BYTES = 16, 12
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1
_CHUNK = 1 << 20
_TRIES = 3


class BackupError(Exception):
    """The copy cannot be made, read or put back; the text is French, with what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds: how many entries, up to which one and when, and when it was made."""

    made_at: str
    entries: int
    last_id: str | None
    last_recorded_at: str | None
    schema: int
    sha256: str  # of the manifest: names this copy


def back_up(
    folder: Path, out: Path, passphrase: str, at: datetime, noted: Callable[[Copied], None] = lambda _: None
) -> Copied:
    """Copy the journal of ``folder`` (the gateway's) into ``out``, beside a gateway that writes; ``out`` must not exist.

    noted  is told of the copy once it is whole and before anybody can have it; what it raises leaves no copy
    Raises BackupError, JournalError.
    """
    if address_of(folder) is not None:
        raise BackupError(
            f"Le journal est sur PostgreSQL : copiez d'abord keys/, registry/, grappes/ et identities/ de {folder}, puis la base "
            "par pg_dump ou les copies du serveur ; dans l'autre ordre, la copie serait refusée au démarrage (docs/journal.md)."
        )
    _check_passphrase(passphrase)
    if out.exists():
        raise BackupError(f"{out} existe déjà : une copie n'en remplace jamais une autre, choisissez un autre nom.")
    draft = out.with_name(out.name + ".part")
    copy = out.with_name(out.name + ".sqlite3.part")
    try:
        _private(draft)
        others = _copy_both(folder, copy)
        copied, manifest = _describe(copy, at)
        with tarfile.open(draft, "w") as tar:
            for name, content in ((MANIFEST, manifest), (SEALED, seal(others, passphrase, manifest))):
                _add(tar, name, len(content), io.BytesIO(content))
            with copy.open("rb") as database_file:
                _add(tar, FILE_NAME, copy.stat().st_size, database_file)
        _sync(draft)
        noted(copied)
        try:
            os.link(draft, out)  # unlike a rename, it never replaces a file that came meanwhile
        except FileExistsError:
            raise BackupError(f"{out} existe déjà : choisissez un autre nom.") from None
        sync_folder(out.parent)
    except OSError as error:
        raise BackupError(f"La copie n'a pas pu être écrite dans {out.parent} ({in_french(error)}).") from error
    finally:
        draft.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)
    return copied


def restore(file: Path, folder: Path, passphrase: str) -> Copied:
    """Check a copy whole, then put it in ``folder`` (the gateway's), which must be absent or empty. Raises BackupError."""
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(
            f"{folder} contient déjà un journal ou ses restes : une restauration n'écrase rien. Restaurez dans un autre dossier "
            "(--data), ou mettez celui-ci de côté."
        )
    draft = folder.with_name(folder.name + ".restoring")
    shutil.rmtree(draft, ignore_errors=True)
    made = not folder.parent.exists()
    try:
        draft.mkdir(mode=0o700, parents=True)
        copied = _unpack(file, draft, passphrase)
        _check_database(draft / FILE_NAME, copied)
        for path in (*draft.rglob("*"), draft):
            _sync(path) if path.is_file() else sync_folder(path)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
        sync_folder(folder.parent)
    except (tarfile.TarError, KeyError, ValueError, EOFError) as error:
        raise BackupError(f"{file} n'est pas une copie de journal Socle, ou elle est abîmée. Rien n'a été restauré.") from error
    except OSError as error:
        raise BackupError(f"Restauration impossible ({in_french(error)} : {error.filename}).") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if made and not folder.exists():
            with suppress(OSError):
                folder.parent.rmdir()
    return copied


# --- writing ----------------------------------------------------------------------------------------------------------


def _small_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(_LEFT_OUT) and path.suffix != ".new":
            yield name, path


def _copy_both(folder: Path, copy: Path) -> dict[str, bytes]:
    """The journal into ``copy``, and the small files that were there all along: the keys are those that open what it holds."""
    for _ in range(_TRIES):
        others = _contents(folder)  # first: the journal only grows
        copy.unlink(missing_ok=True)
        _copy_database(folder / FILE_NAME, copy)
        if _keys_of(_contents(folder)) == _keys_of(others):
            return others
    raise BackupError("Les clés du journal changent en ce moment (socle journal reseal) : recommencez quand c'est fini.")


def _contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in _small_files(folder)}


def _keys_of(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name.startswith("keys/")}


def _copy_database(source: Path, copy: Path) -> None:
    """One read transaction: the state of one commit, whatever is written meanwhile."""
    _private(copy)
    reader, target = database.open_for_reading(source), apsw.Connection(str(copy))
    assert isinstance(reader, apsw.Connection)  # a journal on a server was refused before
    try:
        with target.backup("main", reader, "main") as work:
            work.step(-1)
        target.pragma("journal_mode", "delete")  # one file; the gateway chooses its WAL again when it opens it
        if target.pragma("integrity_check") != "ok":
            raise BackupError("Le journal lui-même est abîmé (integrity_check) : gardez ses fichiers, ne les remplacez pas.")
    finally:
        target.close()
        reader.close()


def _describe(copy: Path, at: datetime) -> tuple[Copied, bytes]:
    said = {"form": FORM, "made_at": text_of(at), **_counts(copy), "journal_sha256": _digest_of(copy)}
    manifest = orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    return _copied(said, manifest), manifest


def _copied(said: dict[str, Any], manifest: bytes) -> Copied:
    return Copied(
        said["made_at"], said["entries"], said["last_id"], said["last_recorded_at"], said["schema"], _sha256(manifest)
    )


def _counts(path: Path) -> dict[str, Any]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        last = connection.execute("SELECT id, recorded_at FROM entries ORDER BY pos DESC LIMIT 1").fetchone() or (None, None)
        return {
            "entries": connection.execute("SELECT count(*) FROM entries").get, "last_id": last[0], "last_recorded_at": last[1],
            "schema": connection.pragma("user_version"),
        }  # fmt: skip
    finally:
        connection.close()


def seal(files: dict[str, bytes], passphrase: str, manifest: bytes) -> bytes:
    """Files by name, sealed; JSON with what the passphrase needs to open it."""
    plain = orjson.dumps({name: b64encode(content).decode() for name, content in files.items()})
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    box = {"salt": salt, "nonce": nonce, "sealed": AESGCM(_derived(passphrase, salt)).encrypt(nonce, plain, manifest)}
    return orjson.dumps({name: b64encode(value).decode() for name, value in box.items()})


def unseal(sealed: bytes, passphrase: str, manifest: bytes) -> dict[str, bytes]:
    """Raises BackupError for another passphrase, or another manifest."""
    box = {name: b64decode(value, validate=True) for name, value in orjson.loads(sealed).items()}
    try:
        plain = AESGCM(_derived(passphrase, box["salt"])).decrypt(box["nonce"], box["sealed"], manifest)
    except InvalidTag:
        raise BackupError("Phrase de passe fausse, ou copie modifiée : rien n'a été restauré.") from None
    return {name: b64decode(content) for name, content in orjson.loads(plain).items()}


def _derived(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(passphrase.encode())


def _check_passphrase(passphrase: str) -> None:
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise BackupError(
            f"Phrase de passe trop courte ({len(passphrase)} caractères, {SHORTEST_PASSPHRASE} au moins) : elle protège les clés."
        )


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


# --- reading ----------------------------------------------------------------------------------------------------------


def _unpack(file: Path, folder: Path, passphrase: str) -> Copied:
    with tarfile.open(file, "r:") as tar:
        if sorted(tar.getnames()) != sorted((MANIFEST, SEALED, FILE_NAME)):
            raise BackupError(f"{file} n'est pas une copie de journal Socle, ou il y manque une partie.")
        manifest, sealed = (_small(tar, name) for name in (MANIFEST, SEALED))
        files = unseal(sealed, passphrase, manifest)  # from here on, the manifest is the one that was written
        said = orjson.loads(manifest)
        if said["form"] != FORM or said["schema"] > len(migrations()):
            raise BackupError(f"{file} vient d'une version plus récente de Socle : restaurez-la avec celle-là.")
        with _member(tar, FILE_NAME) as content, _private(folder / FILE_NAME).open("wb") as target:
            shutil.copyfileobj(content, target, _CHUNK)
    if _digest_of(folder / FILE_NAME) != said["journal_sha256"]:
        raise BackupError(f"{file} est abîmée : le journal n'a pas l'empreinte du manifeste. Rien n'a été restauré.")
    for name, small in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _private(path).write_bytes(small)
    return _copied(said, manifest)


def _small(tar: tarfile.TarFile, name: str) -> bytes:
    with _member(tar, name) as content:
        return content.read()


@contextmanager
def _member(tar: tarfile.TarFile, name: str) -> Iterator[IO[bytes]]:
    content = tar.extractfile(name)
    if content is None:
        raise KeyError(name)
    with content:
        yield content


def _check_database(path: Path, copied: Copied) -> None:
    try:
        connection = apsw.Connection(str(path))
        try:
            sound = connection.pragma("integrity_check") == "ok"
        finally:
            connection.close()
        counts = _counts(path)
    except apsw.Error:
        sound, counts = False, {}
    if not sound or any(getattr(copied, name) != value for name, value in counts.items()):
        raise BackupError("Le journal de la copie est abîmé ou n'est pas celui du manifeste. Rien n'a été restauré.")


def _private(path: Path) -> Path:
    """The path of a new file that only its owner reads."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
