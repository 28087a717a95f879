"""From file names to grids: which files make a grappe, what each of them is by its first bytes, and how its text is encoded."""
from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.grappes.importing.delimited import NoColumns, delimited_grid
from gateway.grappes.importing.pasted import pasted_grid
from gateway.grappes.importing.places import Grid, Unreadable, printable
from gateway.grappes.importing.workbook import workbook_grids
from gateway.os_errors import in_french

MOST_BYTES = 10 * 1024 * 1024
_SEPARATED, _PASTED, _WORKBOOKS = {".csv", ".tsv"}, {".txt", ".md"}, {".xlsx", ".xlsm"}
_TABLES = _SEPARATED | _PASTED | _WORKBOOKS
# Documents order: the convention commits, the others repeat it.
_PRIORITY = ("convention", "declaration", "annexe")
_SPREADSHEET = "ouvrez-le dans un tableur et enregistrez-le en .xlsx ou en .csv"
_FOREIGN = (
    (b"%PDF", "c'est un PDF : copiez le tableau dans un tableur (ou dans un fichier .txt) et donnez ce fichier"),
    (b"\xd0\xcf\x11\xe0", f"c'est un ancien classeur ou document Office : {_SPREADSHEET}"),
    (b"{\\rtf", f"c'est un document RTF : {_SPREADSHEET}"),
    (b"\x89PNG", "c'est une image : passez-la d'abord par une reconnaissance de caractères"),
    (b"\xff\xd8\xff", "c'est une image : passez-la d'abord par une reconnaissance de caractères"),
    (b"<!DOCTYPE", f"c'est une page HTML : {_SPREADSHEET}"),
    (b"<html", f"c'est une page HTML : {_SPREADSHEET}"),
    (b"<table", f"c'est une page HTML : {_SPREADSHEET}"),
    (b"<?xml", f"c'est un document XML : {_SPREADSHEET}"),
)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Documents:
    """The files of one grappe, in the order in which they are believed, and what was left unread."""

    grappe: str
    paths: tuple[Path, ...]
    remarks: tuple[str, ...] = ()


def documents_in(paths: Sequence[Path]) -> list[Documents]:
    """One ``Documents`` a grappe: a folder of tables is one, a folder of folders one each, files by their folder.

    Raises Unreadable when a path does not exist or holds no table.
    """
    found: list[Documents] = []
    alone: dict[Path, list[Path]] = {}
    for path in paths:
        if path.is_dir():
            found += _of_folder(path)
        elif path.exists():
            alone.setdefault(path.resolve().parent, []).append(path)
        else:
            raise Unreadable(f"{path.name} : fichier ou dossier introuvable. Vérifiez le chemin donné.")
    return found + [Documents(folder.name, _ordered(files)) for folder, files in alone.items()]


def grids_of(path: Path) -> list[Grid]:
    """Every table of a file. Raises Unreadable when it is not one of the accepted kinds, empty, too big or damaged."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise Unreadable(f"{path.name} : {size // 1024 // 1024} Mo, {MOST_BYTES // 1024 // 1024} au plus pour un tableau.")
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path.name} : lecture impossible ({in_french(error)}). Vérifiez le fichier et ses droits.") from error
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise Unreadable(f"{path.name} : fichier vide. Donnez le fichier qui contient le tableau.")
    if content.startswith(b"PK"):
        return workbook_grids(path.name, content)
    head = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    for magic, why in _FOREIGN:
        if head.startswith(magic.lower()):
            raise Unreadable(f"{path.name} : {why}.")
    text = printable(decoded(path.name, content))
    if path.suffix.lower() in _PASTED:
        return [pasted_grid(path.name, text)]
    try:
        return [delimited_grid(path.name, text)]
    except NoColumns:
        return [pasted_grid(path.name, text)]


def decoded(name: str, content: bytes) -> str:
    """UTF-8 with or without BOM, UTF-16 with or without BOM, else Windows-1252. Raises Unreadable on binary data."""
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return _decode(name, content, encoding)
    sample = content[:4096]
    if sample[1::2].count(0) > len(sample) // 4:
        return _decode(name, content, "utf-16-le")
    if sample[::2].count(0) > len(sample) // 4:
        return _decode(name, content, "utf-16-be")
    if b"\x00" in content:
        raise Unreadable(f"{name} : ce n'est pas un texte (octets nuls). Enregistrez le tableau en .xlsx ou en .csv.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode(name, content, "cp1252")


def _decode(name: str, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Unreadable(f"{name}, ligne {line} : caractères illisibles. Enregistrez le fichier en « CSV UTF-8 ».") from error


def _of_folder(folder: Path) -> list[Documents]:
    inside = sorted(entry for entry in folder.iterdir() if entry.is_dir() and _tables(entry))
    tables, name = _tables(folder), folder.resolve().name
    if inside:
        left = ", ".join(sorted(one.name for one in tables))
        beside = (f"{name} : fichiers à côté des dossiers des grappes, non lus : {left}.",) if left else ()
        found = [Documents(one.name, _ordered(_tables(one)), _left_unread(one)) for one in inside]
        return [replace(found[0], remarks=beside + found[0].remarks), *found[1:]]
    if not tables:
        raise Unreadable(f"{name} : aucun tableau (.csv, .tsv, .txt, .xlsx) dans ce dossier. Indiquez-en un autre.")
    return [Documents(name, _ordered(tables), _left_unread(folder))]


def _tables(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_file() and one.suffix.lower() in _TABLES and one.name[0] not in ".~"]


def _left_unread(folder: Path) -> tuple[str, ...]:
    others = sorted(one.name for one in folder.iterdir() if one.is_file() and one.suffix.lower() not in _TABLES)
    return (f"{folder.resolve().name} : fichiers non lus, qui ne sont pas des tableaux : {', '.join(others)}.",) if others else ()


def belief(document: str) -> int:
    """The rank of a document, by the name of its file or of its sheet; 0 is believed first."""
    name = document.lower().replace("é", "e")
    return next((at for at, word in enumerate(_PRIORITY) if word in name), len(_PRIORITY))


def _ordered(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=lambda path: (belief(path.name), path.name)))
