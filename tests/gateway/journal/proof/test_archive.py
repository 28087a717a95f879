"""An export may come from anybody: archives made to harm are refused before anything is read."""
from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest

from gateway.journal.proof.archive import Archive, ArchiveError
from gateway.journal.proof.notes import Signer
from gateway.journal.proof.verify import verify
from tests.gateway.journal.proof.exports import codes, exported, judged, key_of, members, told, zipped
from tests.gateway.journal.proof.world import write

KEY = Signer("socle/essai", bytes(32)).public


def made(*files: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def refused(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveError) as caught:
        Archive(path)
    verdict = verify(path, [KEY])
    assert codes(verdict) == ["bad-archive"]
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all, but long enough to be one" * 10, made()[:-1]])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    assert "ce n'est pas un export du journal" in refused(tmp_path, content)


@pytest.mark.parametrize("name", [
    "../../etc/passwd", "/tmp/x", "log-1.ndjson/../x", "log-01.proof", "autre.txt", "log-1.ndjson\x01",
])  # fmt: skip
def test_names_that_no_export_has(tmp_path: Path, name: str) -> None:
    assert "fichier inattendu" in refused(tmp_path, made(("snapshot.txt", b"x"), (name, b"x")))


def test_a_name_given_twice(tmp_path: Path) -> None:
    assert "deux fois le même fichier" in refused(tmp_path, made(("snapshot.txt", b"a"), ("snapshot.txt", b"b")))


def test_a_bomb(tmp_path: Path) -> None:
    assert "se dilaterait" in refused(tmp_path, made(("log-1.ndjson", bytes(50_000_000))))


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    """The size announced is all that is ever read."""
    content = made(("snapshot.txt", bytes(30_000_000)))
    lying = content.replace(struct.pack("<L", 30_000_000), struct.pack("<L", 1000))
    path = tmp_path / "x.zip"
    path.write_bytes(lying)
    tracemalloc.start()
    verdict = verify(path, [KEY])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert codes(verdict) == ["bad-archive"]
    assert peak < 5_000_000


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    content = made(("log-1.ndjson", b"x" * 4000), compression=zipfile.ZIP_STORED)
    at = content.rindex(b"PK\x01\x02")
    entry, end = content[at : content.rindex(b"PK\x05\x06")], content[content.rindex(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"log-1.ndjson", b"log-%d.ndjson" % n) for n in range(2, 10))
    fields = list(struct.unpack("<4s4H2LH", end))
    fields[3], fields[4], fields[5] = 8, 8, len(entries)
    refused(tmp_path, content[:at] + entries + struct.pack("<4s4H2LH", *fields))


def test_too_many_members(tmp_path: Path) -> None:
    assert "trop de fichiers" in refused(tmp_path, made(*((f"log-{n}.proof", b"") for n in range(600))))


def test_a_list_of_members_longer_than_announced(tmp_path: Path) -> None:
    content = made(*((f"log-{n}.proof", b"") for n in range(600)))
    end = content.rindex(b"PK\x05\x06")
    fields = list(struct.unpack("<4s4H2LH", content[end:]))
    fields[3] = fields[4] = 3
    assert "trop de fichiers" in refused(tmp_path, content[:end] + struct.pack("<4s4H2LH", *fields))


def test_a_list_that_is_announced_elsewhere_than_where_it_is_read(tmp_path: Path) -> None:
    content = made(*((f"log-{n}.proof", b"") for n in range(600)))
    end = content.rindex(b"PK\x05\x06")
    fields = struct.unpack("<4s4H2LH", content[end:])
    short = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 60, 0)
    long = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, fields[3], fields[4], fields[5], fields[6] + len(short))
    tail = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1) + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 60, 0, 0)
    assert "annonce trop de fichiers" in refused(tmp_path, short + content[:end] + long + tail)


def test_a_comment_behind_which_another_end_hides(tmp_path: Path) -> None:
    out = io.BytesIO(made(("snapshot.txt", b"x")))
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"PK\x05\x06" + bytes(18)
    (tmp_path / "x.zip").write_bytes(out.getvalue())
    assert told(verify(tmp_path / "x.zip", [KEY])) == "snapshot.txt manque"  # the end that was checked is the one that is read
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"a comment"
    assert "fin d'archive inattendue" in refused(tmp_path, out.getvalue())


def test_an_encrypted_member(tmp_path: Path) -> None:
    content = bytearray(made(("snapshot.txt", b"x")))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "chiffré" in refused(tmp_path, bytes(content))


def test_another_compression(tmp_path: Path) -> None:
    content = made(("snapshot.txt", b"x" * 99), compression=zipfile.ZIP_BZIP2)
    assert "comprimé d'une façon inattendue" in refused(tmp_path, content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "gateway"
    write(folder, 6)
    return folder


def test_a_damaged_content_is_named(tmp_path: Path, folder: Path) -> None:
    content = bytearray(exported(folder))
    at = content.index(b"log-1.ndjson") + 60
    content[at] ^= 0xFF
    verdict = judged(tmp_path / "x.zip", bytes(content), key_of(folder))
    assert codes(verdict)[-1] == "bad-archive"
    assert "log-1.ndjson : contenu abîmé" in told(verdict)


@pytest.mark.parametrize("gone", ["snapshot.txt", "export.txt", "log-0.ndjson", "log-0.proof"])
def test_a_member_that_is_missing(tmp_path: Path, folder: Path, gone: str) -> None:
    parts = members(exported(folder))
    del parts[gone]
    verdict = judged(tmp_path / "x.zip", zipped(parts), key_of(folder))
    assert (codes(verdict), told(verdict)) == (["bad-archive"], f"{gone} manque")


@pytest.mark.parametrize("name, content", [
    ("snapshot.txt", b"\xff"), ("snapshot.txt", b"text"), ("export.txt", b"{}"), ("export.txt", b"a" * 300_000),
    ("log-1.ndjson", b"a" * ((1 << 20) + 100)), ("log-1.ndjson", b"a" * 40), ("log-1.proof", b"leaf " + b"1" * 200 + b"\n"),
])  # fmt: skip
def test_contents_that_no_export_has(tmp_path: Path, folder: Path, name: str, content: bytes) -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as archive:
        for one, old in members(exported(folder)).items():
            archive.writestr(one, content if one == name else old)
    verdict = judged(tmp_path / "x.zip", stored.getvalue(), key_of(folder))
    assert "bad-archive" in codes(verdict)


def test_a_missing_file_is_not_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "absent.zip", [KEY])
