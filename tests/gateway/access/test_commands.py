"""`socle gateway identity` and `socle journal settle` against a real gateway: effective at once, on record, never twice."""
from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from connectors.wire.http import Client
from gateway.access.identities import pem_of
from gateway.cli.main import app
from gateway.journal.query import JournalReader
from gateway.journal.record import Intent, Named
from tests.faults.killable import FEED, MESSAGE
from tests.faults.rig import Rig, sandbox
from tests.gateway.access.papers import candidate, expired
from tests.gateway.journal.world import feed, open_journal

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PERSON, REASON = "Camille Exemple", "Accusé de lecture vu chez le destinataire"
UNKNOWN_ENTRY = "01990000-0000-7000-8000-000000000000"


async def socle(*arguments: str | Path) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(argument) for argument in arguments])


def forget_the_second_structure(data: Path) -> None:
    """The gateway has never heard of it; its certificates are good, and the services know them."""
    path = data / "sandbox" / "sandbox.json"
    manifest = orjson.loads(path.read_bytes())
    (data / "second.json").write_bytes(orjson.dumps(manifest["structures"].pop(1)))
    path.write_bytes(orjson.dumps(manifest))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    run = tmp_path_factory.mktemp("commands") / "run"
    async with sandbox(run, killable=False, prepared=forget_the_second_structure, SOCLE_SETTLE_RETRY_S="0.3") as rig:
        yield rig


async def armed(rig: Rig, what: str) -> None:
    assert (await socle("sandbox", "faults", "--arm", what, "--data", rig.data)).exit_code == 0


async def doubt(rig: Rig) -> str:
    """A message whose answer was lost; the id of its entry."""
    await armed(rig, f"{MESSAGE}=reset")
    await rig.mail()
    return str(next(entry["id"] for entry in reversed(rig.entries()) if entry["outcome"] == "in_doubt"))


def settle(rig: Rig, entry: str, outcome: str = "succeeded", *options: str) -> Any:
    return socle(
        "journal", "settle", entry, "--outcome", outcome, "--by", PERSON, "--reason", REASON, "--data", rig.data, *options
    )


def one_line(result: Result) -> str:
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


async def test_a_person_settles_through_the_running_gateway_once(rig: Rig) -> None:
    entry = await doubt(rig)
    units = len(rig.units())
    done = await settle(rig, entry, "succeeded", "--json")
    assert done.exit_code == 0, done.stderr
    written = rig.entries()[-1]
    assert orjson.loads(done.stdout) == {"settlement": written["id"], "settles": entry, "outcome": "succeeded"}
    assert (written["kind"], written["settles"], written["detail"]["how"]) == ("settlement", entry, "person")
    assert all(len(written["detail"][name]) == 32 for name in ("by", "reason")), "refs"
    assert len(rig.units()) == units + 1
    files = b"".join(path.read_bytes() for path in (rig.data / "gateway").glob("journal.sqlite3*"))
    assert PERSON.encode() not in files and b"destinataire" not in files

    again = await settle(rig, entry, "failed")
    assert again.exit_code == 2 and "déjà réglée : succeeded" in one_line(again)
    assert rig.entries()[-1]["id"] == written["id"]


@pytest.mark.parametrize("outcome", ["failed", "undecidable"])
async def test_what_did_not_succeed_counts_nothing(rig: Rig, outcome: str) -> None:
    entry, units = await doubt(rig), len(rig.units())
    assert (await settle(rig, entry, outcome)).exit_code == 0
    assert (rig.entries()[-1]["outcome"], len(rig.units())) == (outcome, units)


async def test_what_cannot_be_settled_is_said_with_its_reason(rig: Rig) -> None:
    await rig.feed()
    fed = next(entry for entry in reversed(rig.entries()) if entry["operation"] == FEED)
    for entry, outcome, reason in (
        (fed["id"], "succeeded", "n'est pas en doute (ok)"),
        (UNKNOWN_ENTRY, "succeeded", "Aucune entrée"),
        (fed["id"], "réussi", "issue inconnue"),
    ):
        refused = await settle(rig, entry, outcome)
        assert refused.exit_code == 2 and reason in one_line(refused)
    nobody = ["--by", " ", "--reason", "x"]
    anonymous = await socle("journal", "settle", fed["id"], "--outcome", "failed", *nobody, "--data", rig.data)
    assert anonymous.exit_code == 2 and "--by" in one_line(anonymous)


async def test_two_persons_at_once_settle_once(rig: Rig) -> None:
    entry = await doubt(rig)
    key = orjson.loads((rig.data / "sandbox" / "sandbox.json").read_bytes())["admin_key"]

    async def decide(outcome: str) -> int:
        headers = [(b"X-Socle-Admin-Key", key.encode()), (b"Content-Type", b"application/json")]
        body = orjson.dumps({"entry": entry, "outcome": outcome, "by": PERSON, "reason": REASON})
        async with Client() as http:
            return (await http.send("POST", f"{rig.supervisor.url('console')}/admin/settle", headers=headers, body=body)).status

    assert sorted(await asyncio.gather(decide("succeeded"), decide("failed"))) == [200, 409]
    assert len([one for one in rig.entries() if one["settles"] == entry]) == 1


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_without_a_gateway_the_command_opens_the_journal_itself(tmp_path: Path, outcome: str) -> None:
    dead = open_journal(tmp_path / "gateway")
    record = feed()
    await dead.intend(record, Intent(Named("submission", "1.2.3"), 30.0))
    record.outcome = "in_doubt"
    await dead.write(record)
    await dead.close()
    asked = ["journal", "settle", record.id, "--outcome", outcome, "--by", PERSON, "--reason", REASON, "--data", tmp_path]
    assert (await socle(*asked)).exit_code == 0
    again = await socle(*asked)
    assert again.exit_code == 2 and "déjà réglée" in one_line(again)
    with JournalReader(tmp_path / "gateway") as reader:
        assert len(list(reader.units())) == (outcome == "succeeded")


# --- identities -------------------------------------------------------------------------------------------------------


async def test_a_deposit_works_at_once_is_on_record_and_ends_with_its_removal(rig: Rig) -> None:
    second = orjson.loads((rig.data / "second.json").read_bytes())
    unit, refused = await rig.feed(whose=1)
    assert (refused.code, rig.held(FEED)[unit]) == ("V-IDENTITE", 0)

    password = rig.run / "password"
    password.write_text(second["auth_cli"]["password"] + "\n")
    asked = ["gateway", "identity", "add", "--service", "DMP", "--p12", rig.data / "sandbox" / second["auth_cli"]["p12"],
             "--password-file", password, "--by", PERSON, "--json", "--data", rig.data]  # fmt: skip
    unknown = await socle(*asked)
    assert unknown.exit_code == 2 and "--tenant" in one_line(unknown)
    added = await socle(*asked, "--tenant", second["tenant"], "--finess-ej", second["finess_ej"])
    assert added.exit_code == 0, added.stderr
    said = orjson.loads(added.stdout)
    assert (said["struct_id"], said["replaces"], "key" in said) == (second["struct_id"], [], False)

    unit, accepted = await rig.feed(whose=1)
    entry = rig.entries()[-1]
    assert (accepted.ok, entry["tenant"], rig.held(FEED)[unit]) == (True, second["tenant"], 1)

    await _settlement_uses_it(rig, second)
    await armed(rig, f"{FEED}=reset")
    unit, _ = await rig.feed(whose=1)
    removed = await socle("gateway", "identity", "remove", said["name"], "--by", PERSON, "--data", rig.data)
    assert removed.exit_code == 0, removed.stderr
    _, refused = await rig.feed(whose=1)
    assert refused.code == "V-IDENTITE"
    await asyncio.sleep(4)
    assert rig.account(FEED).in_doubt[unit] == 1, "a removed identity asks nothing any more, not even for an older call"
    acts = [entry["detail"] for entry in rig.entries() if (entry["detail"] or {}).get("action") == "identity"]
    assert [(act["done"], act["use"]) for act in acts] == [("deposited", "auth"), ("deposited", "sign"), ("removed", "auth")]
    assert all(len(act["by"]) == 32 and act["service"] == "DMP" for act in acts)
    gone = await socle("gateway", "identity", "remove", said["name"], "--data", rig.data)
    assert gone.exit_code == 2 and "Aucune identité" in one_line(gone)


async def _settlement_uses_it(rig: Rig, second: dict[str, Any]) -> None:
    """In doubt until the SIGN key comes too: the worker then asks in the structure's name."""
    await armed(rig, f"{FEED}=reset")
    unit, _ = await rig.feed(whose=1)
    await asyncio.sleep(4)  # the service's deadline, then several passes of the worker
    assert rig.account(FEED).in_doubt[unit] == 1
    sign = {name: rig.data / "sandbox" / second["sign"][name] for name in ("cert", "key")}
    added = await socle("gateway", "identity", "add", "--service", "DMP", "--use", "sign", "--cert", sign["cert"], "--key",
                        sign["key"], "--tenant", second["tenant"], "--data", rig.data)  # fmt: skip
    assert added.exit_code == 0, added.stderr
    listed = await socle("gateway", "identity", "list", "--json", "--data", rig.data)
    assert {(row["use"], row["struct_id"]) for row in orjson.loads(listed.stdout)} == {
        ("auth", second["struct_id"]), ("sign", second["struct_id"]),
    }  # fmt: skip
    for _ in range(100):
        if rig.account(FEED).counted[unit]:
            break
        await asyncio.sleep(0.1)
    assert (rig.account(FEED).counted[unit], rig.account(FEED).in_doubt[unit]) == (1, 0)


async def test_a_bad_identity_is_refused_before_anything_leaves(rig: Rig, tmp_path: Path) -> None:
    cert, key = pem_of(candidate(**expired()))
    (tmp_path / "cert.pem").write_bytes(cert)
    (tmp_path / "key.pem").write_bytes(key)
    files = ["--cert", tmp_path / "cert.pem", "--key", tmp_path / "key.pem"]
    before = len(rig.entries())
    for arguments, reason in (
        (["--service", "DMP", *files], "expiré"),
        (["--service", "PSC", *files], "service inconnu"),
        (["--service", "DMP", "--cert", tmp_path / "cert.pem"], "--cert et --key"),
        (["--service", "DMP", "--p12", tmp_path / "absent.p12"], "illisible"),
    ):
        refused = await socle("gateway", "identity", "add", *arguments, "--data", rig.data)
        assert refused.exit_code == 2 and reason in one_line(refused)
    assert len(rig.entries()) == before


async def test_without_a_running_gateway_nothing_is_deposited(tmp_path: Path) -> None:
    cert, key = pem_of(candidate())
    (tmp_path / "cert.pem").write_bytes(cert)
    (tmp_path / "key.pem").write_bytes(key)
    data = tmp_path / "data"
    (data / "gateway").mkdir(parents=True)
    refused = await socle(
        "gateway", "identity", "add", "--service", "DMP", "--cert", tmp_path / "cert.pem", "--key", tmp_path / "key.pem",
        "--data", data,
    )  # fmt: skip
    assert refused.exit_code == 3 and "Aucune passerelle ne tourne" in one_line(refused)
    assert not (data / "gateway" / "identities").exists()


async def test_socle_gateway_alone_still_starts_the_gateway(tmp_path: Path) -> None:
    started = await socle("gateway", "identity", "--help")
    assert started.exit_code == 0 and "add" in started.stdout
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from gateway.cli.main import main; main()", "gateway", "--data", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2 and "Le bac à sable n'est pas préparé" in error.decode()
