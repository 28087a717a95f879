"""A sandbox for the time of a block: gateway and mocks as processes on free ports, and what a test needs to use them."""
from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.embedding.control import detail, send
from gateway.embedding.loop import LoopThread
from gateway.first_call import first_call
from gateway.journal.filters import Filters
from gateway.journal.query import JournalReader
from gateway.supervise import Supervisor, make_sandbox


class ControlRefused(Exception):
    """The control API said no; the text is French, ``status`` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files, and the same in a P12 with its password."""

    cn: str
    cert: Path
    key: Path
    p12: Path
    password: str


class Sandbox:
    """A sandbox that runs.

    data    its folder
    given   what `socle up --json` prints: addresses, trust, accounts, fictitious people
    """

    def __init__(self, data: Path, supervisor: Supervisor) -> None:
        self.data = data
        self.given: Mapping[str, Any] = first_call(data, supervisor)
        self._key: str = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())["control_key"]

    @property
    def urls(self) -> Mapping[str, str]:
        """Base of each door, by name: insi, insi_oneway, dmp, psc, psc_wallet, annuaire, smtp, console, controle."""
        urls: Mapping[str, str] = self.given["bases"]
        return urls

    @property
    def ca(self) -> Path:
        """The authorities to trust, PEM."""
        return Path(self.given["confiance"]["ca_pem"])

    def certificate(self, use: str = "auth_cli") -> Certificate:
        """The first structure's: ``auth_cli`` for TLS, ``sign`` for the VIHF and XAdES."""
        row = self.given["certificats"][use]
        return Certificate(row["cn"], Path(row["cert"]), Path(row["key"]), Path(row["p12"]), row["password"])

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: object) -> Any:
        """The JSON of any route of the control API (docs/bac-a-sable.md). Raises ControlRefused."""
        answer = send(self.urls["controle"], self._key, method, path, body, query)
        if answer.status >= 400:
            raise ControlRefused(answer.status, detail(answer))
        return orjson.loads(answer.body)

    def reset(self) -> None:
        """The mocks as on the first day; the journal and business time go on."""
        self.control("POST", "/reset")

    def messages(self, *, at_least: int = 0, wait_s: float = 0, **which: str) -> list[dict[str, Any]]:
        """What the MSSanté operator accepted, latest first. ``which``: to, sender, message_id."""
        return self._listed("messages", "/messages", at_least, wait_s, which)

    def documents(self, *, at_least: int = 0, wait_s: float = 0, **which: str) -> list[dict[str, Any]]:
        """What the DMP holds, latest first. ``which``: matricule, struct_id, set_id, type_code."""
        return self._listed("documents", "/documents", at_least, wait_s, which)

    def requests(self, *, at_least: int = 0, wait_s: float = 0, **which: str) -> list[dict[str, Any]]:
        """The requests that the mocks answered, latest first. ``which``: mock, operation, code."""
        return self._listed("requests", "/requests", at_least, wait_s, which)

    def advance(self, seconds: float) -> None:
        """Move business time forward. Raises ControlRefused while calls are in flight."""
        self.control("POST", "/clock", {"advance_s": seconds})

    def entries(self, operation: str | None = None) -> list[dict[str, Any]]:
        """The journal's entries of this operation, or all, latest first; 500 at most."""
        with JournalReader(self.data / "gateway") as journal:
            return journal.entries(Filters(operation=operation), limit=500).entries

    def _listed(self, name: str, path: str, at_least: int, wait_s: float, which: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Raises AssertionError when there are fewer than ``at_least`` once the time is over."""
        said = self.control("GET", path, at_least=at_least, wait_s=wait_s, limit=1000, **which)
        assert said["reached"], f"{name} : {said['total']} au lieu de {at_least} après {wait_s:g} s ({dict(which)})"
        rows: list[dict[str, Any]] = said[name]
        return rows


@contextmanager
def socle_sandbox(data: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Sandbox]:
    """A sandbox that lives as long as the block, on free ports of this machine, without any other network.

    data      folder to use and keep; a temporary one, removed at the end, without it
    settings  environment variables of the gateway (docs/reglages.md)

    Raises ChildFailed, whose French text names the log to read.
    """
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="socle-")))
        loop = stack.enter_context(LoopThread())
        loop.run(make_sandbox(folder.resolve()))
        supervisor = Supervisor(folder.resolve(), settings=settings or {})
        loop.run(supervisor.start())
        stack.callback(lambda: loop.run(supervisor.stop()))
        yield Sandbox(folder.resolve(), supervisor)
