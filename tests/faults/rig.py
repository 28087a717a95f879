"""A whole sandbox of real processes whose gateway can be killed at a point, one DUI in front, and both ends' accounts.

Only ``held`` reads what the mocks keep; the gateway learns it by its connectors alone.
"""
from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from connectors.wire.clock import SystemClock
from connectors.wire.saml import Signer, load_signer
from gateway.cli import runs
from gateway.journal.database import open_for_reading
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from gateway.journal.units import Unit
from gateway.journal.vault import Vault
from gateway.supervise import Supervisor
from loadtests import world as loadtests_world
from loadtests.calls import Reading
from loadtests.doors import Doors
from loadtests.sent import SentFile
from loadtests.users.dmp import DmpUser, Numbers
from loadtests.users.mail import MailUser, unit_of
from loadtests.users.psc import PscUser
from mocks.sandbox.trace import hashed
from tests.faults.killable import FEED, MESSAGE

ROOT = Path(__file__).parents[2]
ENVIRONMENT = "bac_a_sable"
NEVER_S, SOON_S = "86400", "0.2"


@dataclass
class Account:
    """What the journal says of each effect, by the name that the mock gives it."""

    counted: Counter[str] = field(default_factory=Counter)
    in_doubt: Counter[str] = field(default_factory=Counter)


@dataclass
class Rig:
    run: Path
    supervisor: Supervisor
    world: loadtests_world.World
    doors: Doors
    sent: SentFile
    numbers: Numbers = field(default_factory=lambda: Numbers(1))
    token: tuple[float, str] | None = None
    messages: int = 0

    # --- the gateway ----------------------------------------------------------------------------------------------------

    def arm(self, point: str = "", operation: str = "") -> None:
        """Takes effect at once in the running gateway."""
        (self.hook / "armed").write_text(f"{point} {operation}" if point else "")

    @property
    def hook(self) -> Path:
        return self.run / "hook"

    def kill(self) -> None:
        state, pid = (self.hook / "state").read_text().split()
        assert state == "ready"
        os.kill(int(pid), signal.SIGKILL)

    async def dies(self) -> None:
        assert os.WTERMSIG(int(await self._state("dead"))) == signal.SIGKILL

    async def start(self, settle_s: str = NEVER_S, *, ready: bool = True) -> None:
        """Start the gateway again on the same sockets; once it is ready, what died is recovered."""
        (self.hook / "state").unlink()
        (self.hook / "start.new").write_text(json.dumps({"SOCLE_SETTLE_RETRY_S": settle_s}))
        (self.hook / "start.new").replace(self.hook / "start")
        if ready:
            await self._state("ready")

    async def revive(self, settle_s: str = NEVER_S) -> None:
        """The same, and the DUI's old connections are forgotten."""
        await self.start(settle_s)
        await self.doors.close()
        self.doors._clients.clear()

    async def _state(self, wanted: str) -> str:
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(FileNotFoundError):
                    state, value = (self.hook / "state").read_text().split()
                    if state == wanted:
                        return value
                await asyncio.sleep(0.01)

    # --- the DUI --------------------------------------------------------------------------------------------------------

    async def login(self) -> str:
        """A token of PSC, kept for less than it lives."""
        now = asyncio.get_running_loop().time()
        if self.token is None or now - self.token[0] > 60:
            psc = PscUser(self.world, self.world.professionals[0], random.Random(1))
            call, verifier = psc.authorize()
            page = await self.doors.send(call)
            code = await self.doors.send(psc.login(page.value))
            token = await self.doors.send(psc.token(code.value, verifier))
            assert token.ok, token
            self.token = (now, str(token.value))
        return self.token[1]

    async def feed(self, number: int = 0, whose: int = 0) -> tuple[str, Reading]:
        """One document from one of the two structures; the name of its effect, and what the DUI read."""
        structure = self.world.structures[whose]
        people = [person for person in self.world.of(structure.finess_et) if person.dmp == "active"]
        author, signer = self.world.staff(structure.finess_et)[0], _signer(structure.sign)
        call = DmpUser(self.world, structure, author, signer, SystemClock(), self.numbers).feed(people[number % len(people)])
        assert call.unit is not None
        return hashed(call.unit), await self.doors.send(call, structure)

    async def mail(self) -> tuple[str, Reading | None]:
        """One message in its own session; no reading when the session broke."""
        token = await self.login()
        author = self.world.professionals[0]
        user = MailUser(self.world, self.world.structure(author.structure), author, SystemClock())
        self.messages += 1
        message = user.message(self.world.professionals[1].mailbox, f"kill.{self.messages}")
        readings = await self.doors.mail(user.mailbox, token).run([message])
        return hashed(unit_of(message)), readings[0] if readings else None

    async def act(self, operation: str) -> tuple[str, Reading | None]:
        return await (self.feed() if operation == FEED else self.mail())

    # --- the accounts ---------------------------------------------------------------------------------------------------

    def held(self, operation: str) -> Counter[str]:
        lines = [orjson.loads(line) for line in (self.run / "data/mocks/held.jsonl").read_bytes().splitlines()]
        return Counter(line["unit"] for line in lines if line["op"] == operation)

    @property
    def data(self) -> Path:
        return self.run / "data"

    def units(self) -> list[Unit]:
        with JournalReader(self.data / "gateway") as reader:
            return list(reader.units())

    def entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.run / "data/gateway") as reader:
            return [orjson.loads(entry.body) for entry in reader.walk()]

    def account(self, operation: str) -> Account:
        """From the entries alone; the names are opened with the deployment's own keys, as no reader can."""
        folder, account = self.run / "data/gateway", Account()
        vault = Vault.open(folder / "keys", ENVIRONMENT, create=False)
        journal = open_for_reading(folder / FILE_NAME)
        try:
            doubts = {row[0] for row in journal.execute("SELECT entry_id FROM doubts")}
            sealed = dict(journal.execute("SELECT ref, sealed FROM refs WHERE sealed IS NOT NULL"))
        finally:
            journal.close()
        for entry in self.entries():
            if entry["operation"] != operation or not (entry["message_ref"] or entry["document_refs"]):
                continue
            ref = entry["message_ref"] or entry["document_refs"][0]
            value = vault.unseal(ref, sealed[ref]).decode()
            name = hashed(value if operation == MESSAGE else value.rpartition(".")[0])  # the set of the only document
            account.counted[name] += entry["outcome"] in ("ok", "succeeded")
            account.in_doubt[name] += entry["id"] in doubts
        return account

    def doubts(self, operation: str) -> int:
        return self.account(operation).in_doubt.total()


@cache
def _signer(pem: loadtests_world.Pem) -> Signer:
    return load_signer(pem.cert, pem.key)


@dataclass(slots=True)
class _Supervisor(Supervisor):
    """Runs the gateway by the module that can kill it, once ``prepared`` has had its way with the data folder."""

    killable: bool = True
    prepared: Callable[[Path], None] = lambda _data: None

    async def launch(self, name: str) -> None:
        if name == "gateway":
            self.prepared(self.data)
            if self.killable:
                self.children[name].command[2] = "tests.faults.killable"
        await Supervisor.launch(self, name)


@contextlib.asynccontextmanager
async def sandbox(
    run: Path, *, killable: bool = True, prepared: Callable[[Path], None] = lambda _data: None, **settings: str
) -> AsyncIterator[Rig]:
    """Every process on free ports, until the context ends.

    prepared  called with the data folder when the mocks run and the gateway does not yet
    settings  environment variables of the gateway
    """
    await runs.prepare(run, 1)
    (run / "hook").mkdir()
    (run / "hook" / "armed").write_text("")
    environment = {
        "SOCLE_SETTLE_RETRY_S": NEVER_S, "SOCLE_DEADLINE_S": "3", "SOCLE_TEST_KILL_AT": str(run / "hook"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **settings,
    }  # fmt: skip
    supervisor = _Supervisor(run / "data", settings=environment, killable=killable, prepared=prepared)
    sent, world = SentFile(run), loadtests_world.load(run / "data")
    try:
        await supervisor.start()
        doors = Doors(world, supervisor.ports, sent, asyncio.Semaphore(16))
        yield Rig(run, supervisor, world, doors, sent)
        await doors.close()
    finally:
        sent.close()
        await supervisor.stop()
