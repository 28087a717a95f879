"""The simulated operator's mailboxes read by programs of other authors: curl, and mbsync in both directions."""
from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from mocks.mssante.app import MssanteMock
from mocks.mssante.imap_app import connected
from mocks.sandbox.world import World
from tests.mocks.mssante.bench import APPLICATION, SHARED, make_world, message, pki, serving
from tests.mocks.mssante.imap_bench import deliver
from tests.peers.conftest import program
from tests.peers.test_real_operator import CHALLENGE, run

MBSYNC = """
IMAPAccount operateur
Host localhost
Port {port}
User {mailbox}
Pass inutile
AuthMechs {mechanism}
SSLType STARTTLS
CertificateFile {ca}
ClientCertificate {client}
ClientKey {client_key}
Timeout 20

IMAPStore loin
Account operateur

MaildirStore ici
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel tout
Far :loin:
Near :ici:
Patterns INBOX Sent Trash
Create Near
Expunge Both
SyncState *
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path / "data")
    yield world
    world.trace.close()


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[tuple[MssanteMock, int]]:
    mock = MssanteMock(world)
    async with serving(partial(connected, mock)) as port:
        yield mock, port


def curl(port: int, path: str, *more: str, token: str = "nadia") -> list[str]:
    return [
        program("curl"), "-sv", "--ssl-reqd", "--cacert", str(pki()["ca"]), "--user", SHARED, "--oauth2-bearer", token,
        *more, f"imap://localhost:{port}/{path}",
    ]  # fmt: skip


def pulled(file: Path) -> bytes:
    """Without the header by which mbsync finds again what it files."""
    return b"".join(line for line in file.read_bytes().splitlines(keepends=True) if not line.startswith(b"X-TUID:"))


async def test_curl_lists_reads_searches_and_files(world: World, tmp_path: Path) -> None:
    async with served(world) as (mock, port):
        kept = deliver(mock)
        code, said = await run(*curl(port, ""))
        assert code == 0 and '* LIST (\\HasNoChildren \\Sent) "/" "Sent"' in said, said
        got = tmp_path / "got.eml"
        code, said = await run(*curl(port, "INBOX;MAILINDEX=1", "-o", str(got)))
        assert code == 0 and got.read_bytes() == kept, said
        assert "AUTHENTICATE XOAUTH2 " in said, "with an initial response, as SASL-IR is announced"
        code, said = await run(*curl(port, "INBOX?SUBJECT%20Bonjour"))
        assert code == 0 and "* SEARCH 1" in said, said
        (tmp_path / "sent.eml").write_bytes(message().encode())
        code, said = await run(*curl(port, "Sent", "-T", str(tmp_path / "sent.eml")))
        assert code == 0 and mock.room.open(SHARED).folders["Sent"].messages[1].size_bytes == len(message()), said
        code, said = await run(*curl(port, "INBOX", "-X", "UID MOVE 1 Trash"))
        assert code == 0 and "COPYUID" in said and not mock.room.open(SHARED).folders["INBOX"].messages, said


async def test_curl_is_refused_the_same_way_as_at_submission(world: World) -> None:
    async with served(world) as (_, port):
        code, said = await run(*curl(port, "INBOX", token="autre"))
        assert code == 67 and f"+ {CHALLENGE.removeprefix('334 ')}" in said, said


@pytest.mark.parametrize("mechanism", ["EXTERNAL", "PLAIN"])
async def test_mbsync_keeps_a_mailbox_and_a_folder_alike(world: World, tmp_path: Path, mechanism: str) -> None:
    async with served(world) as (mock, port):
        kept = [deliver(mock, to=APPLICATION) for _ in range(3)]
        local = tmp_path / "boites"
        local.mkdir()
        files = {name: pki()[name] for name in ("ca", "client", "client_key")}
        settings = tmp_path / "mbsyncrc"
        settings.write_text(MBSYNC.format(port=port, mailbox=APPLICATION, folder=local, mechanism=mechanism, **files))
        sync = (program("mbsync"), "-V", "-c", str(settings), "tout")
        code, said = await run(*sync)
        assert code == 0, said
        here = sorted((local / "INBOX" / "new").iterdir())
        assert sorted(map(pulled, here)) == sorted(one.replace(b"\r\n", b"\n") for one in kept)
        here[0].rename(local / "INBOX" / "cur" / f"{here[0].name.split(':')[0]}:2,S")
        here[1].rename(local / "INBOX" / "cur" / f"{here[1].name.split(':')[0]}:2,ST")
        (local / "Sent" / "cur" / "1.copie.ici:2,S").write_bytes(message(APPLICATION).replace("\r\n", "\n").encode())
        before = mock.state()["mailboxes"][APPLICATION]["INBOX"]
        code, said = await run(*sync)
        assert code == 0, said
        after = mock.state()["mailboxes"][APPLICATION]
        assert (before["messages"], before["unseen"]) == (3, 3)
        assert (after["INBOX"]["messages"], after["INBOX"]["unseen"]) == (2, 1)
        assert (after["Sent"]["messages"], after["Sent"]["unseen"]) == (1, 0)
        code, said = await run(*sync)
        assert code == 0 and mock.state()["mailboxes"][APPLICATION] == after, "a third one has nothing to do"
