"""Reading an export that anybody may have made: sizes, names and lines are bounded before anything is believed.

Standard library only. Memory stays the same whatever the file holds.
"""
from __future__ import annotations

import hashlib
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ABOUT, EXPORT, SNAPSHOT = "LISEZMOI.txt", "export.txt", "snapshot.txt"
LONGEST_LINE = 1 << 20
_MEMBER = re.compile(r"LISEZMOI\.txt|export\.txt|snapshot\.txt|log-(?:0|[1-9][0-9]{0,6})\.(?:ndjson|proof)")
_MOST_MEMBERS = 512
_LONGEST_NAMED = 128  # bytes of one member in the list at the end
_SMALL = 1 << 18
_MOST_INFLATED = 200  # times the compressed size; lines and hashes never come near
_FREE = 1 << 16  # a small member may well be all zeros
_CHUNK = 1 << 16
_END = struct.Struct("<4s4H2LH")  # end of central directory
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")


class ArchiveError(ValueError):
    """The file is not an export, is damaged, or is made to harm; the text is French."""


class Member:
    """One file of the export as lines, with the digest of all it holds once they are read."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.name, self.digest = name, hashlib.sha256()
        self._archive = archive

    def lines(self, longest: int = LONGEST_LINE) -> Iterator[bytes]:
        """Each line without its newline. Raises ArchiveError."""
        rest = b""
        for chunk in self._chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if len(line) > longest:
                    raise ArchiveError(f"{self.name} : une ligne dépasse {longest} octets")
                yield line
            if len(rest) > longest:
                raise ArchiveError(f"{self.name} : une ligne dépasse {longest} octets")
        if rest:
            raise ArchiveError(f"{self.name} : la dernière ligne n'est pas finie")

    def _chunks(self) -> Iterator[bytes]:
        try:
            with self._archive.open(self.name) as file:
                yield from self._read(file)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise ArchiveError(f"{self.name} : contenu abîmé ({type(error).__name__})") from error

    def _read(self, file: IO[bytes]) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK):
            self.digest.update(chunk)
            yield chunk


class Archive:
    """An opened export. Raises ArchiveError."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            _check_end(self._file)
            self._zip = zipfile.ZipFile(self._file)
            self.names = _checked(self._zip.infolist(), os.fstat(self._file.fileno()).st_size)
        except (zipfile.BadZipFile, struct.error, ValueError, OSError, NotImplementedError) as error:
            self._file.close()
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError(f"ce n'est pas un export du journal, ou il est abîmé ({type(error).__name__})") from error

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def member(self, name: str) -> Member:
        """Raises ArchiveError when there is none of this name."""
        if name not in self.names:
            raise ArchiveError(f"{name} manque")
        return Member(self._zip, name)

    def text(self, name: str) -> str:
        """A small member, whole. Raises ArchiveError."""
        member = self.member(name)
        if self._zip.getinfo(name).file_size > _SMALL:
            raise ArchiveError(f"{name} est trop gros")
        try:
            return b"".join(member._chunks()).decode()
        except UnicodeDecodeError:
            raise ArchiveError(f"{name} n'est pas un texte") from None

    def logs(self) -> list[int]:
        """The logs of which there are lines or a proof, in order."""
        return sorted({int(name[4:].partition(".")[0]) for name in self.names if name.startswith("log-")})


def _check_end(file: IO[bytes]) -> None:
    """How long the list of members is, before anything reads it: an archive of millions of names would fill the memory."""
    size = os.fstat(file.fileno()).st_size
    if size < _END.size:
        raise ArchiveError("ce n'est pas un export du journal : trop court")
    file.seek(size - _END.size)
    mark, _, _, _, members, length, _, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\x05\x06" or comment:
        raise ArchiveError("ce n'est pas un export du journal : fin d'archive inattendue")
    at = size - _END.size - _LOCATOR.size
    if at >= 0:
        file.seek(at)
        mark, _, _, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
        if mark == b"PK\x06\x07":
            file.seek(max(0, at - _END_64.size))  # where zipfile reads it, wherever the locator points
            mark, _, _, _, _, _, _, members, length, _ = _END_64.unpack(file.read(_END_64.size))
            if mark != b"PK\x06\x06":
                raise ArchiveError("ce n'est pas un export du journal : fin d'archive inattendue")
    if members > _MOST_MEMBERS or length > _MOST_MEMBERS * _LONGEST_NAMED:
        raise ArchiveError("l'archive annonce trop de fichiers")
    file.seek(0)


def _checked(members: list[zipfile.ZipInfo], size: int) -> frozenset[str]:
    names = [one.filename for one in members]
    odd = next((name for name in names if not _MEMBER.fullmatch(name)), None)
    if odd is not None:
        raise ArchiveError(f"l'archive contient un fichier inattendu : {odd[:80]!r}")
    if len(names) > _MOST_MEMBERS:
        raise ArchiveError("l'archive contient trop de fichiers")
    if len(set(names)) != len(names):
        raise ArchiveError("l'archive contient deux fois le même fichier")
    for one in members:
        if one.flag_bits & 0x1 or one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"{one.filename} est chiffré, ou comprimé d'une façon inattendue")
        if one.file_size > one.compress_size * _MOST_INFLATED + _FREE:
            raise ArchiveError(f"{one.filename} se dilaterait hors de toute mesure")
    if sum(one.compress_size for one in members) > size:
        raise ArchiveError("les fichiers de l'archive se recouvrent")
    return frozenset(names)
