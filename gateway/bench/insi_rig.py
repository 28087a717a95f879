"""What `socle bench insi` measures: a sandbox, its mocks and its gateway as processes of their own, and the calls they get."""
from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from connectors.insi import codes
from connectors.insi.messages import Software, Traits, new_stamp, search_request
from connectors.wire import soap
from connectors.wire.http import Headers
from connectors.wire.tls import client_context
from gateway.bench.processes import ready
from gateway.population import People
from gateway.supervise import Supervisor, make_sandbox

_PATH = "/lps"
_OWN_PATH = "/ins/recherche"
#: Nothing but the calls: no question is asked to the simulated services of what became of them.
_QUIET = {"SOCLE_SETTLE_RETRY_S": "86400"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is made again and again, each time with the next of its bodies; ``expected`` is in each answer."""

    path: str
    headers: Headers = field(repr=False)
    bodies: list[bytes] = field(repr=False)
    expected: bytes


@dataclass(frozen=True, slots=True)
class Rig:
    """``supervisor`` holds the mocks and the gateway; ``plain`` is the same mock without TLS, at ``plain_url``."""

    data: Path
    manifest: dict[str, Any] = field(repr=False)
    supervisor: Supervisor
    plain: asyncio.subprocess.Process
    plain_url: str

    def pid(self, name: str) -> int:
        """``mocks``, ``gateway``."""
        process = self.supervisor.children[name].process
        assert process is not None
        return process.pid

    def path(self, relative: str) -> Path:
        return self.data / "sandbox" / relative

    @property
    def identity(self) -> tuple[Path, Path]:
        """The first structure's certificate and key."""
        shown = self.manifest["structures"][0]["auth_cli"]
        return self.path(shown["cert"]), self.path(shown["key"])

    def mutual(self) -> ssl.SSLContext:
        cert, key = self.identity
        return client_context(self.path(self.manifest["pki"]["ca"]), cert=cert, key=key)

    def one_way(self) -> ssl.SSLContext:
        return client_context(self.path(self.manifest["pki"]["ca"]))

    def search(self, count: int) -> Call:
        """Searches that each find somebody at the first attempt, as a DUI writes them itself."""
        structure = self.manifest["structures"][0]["struct_id"]
        software, now = Software(self.manifest["idam"], "Banc", "1", str(uuid.uuid4())), datetime.now(UTC)
        bodies = [search_request(_traits(one), software, structure, new_stamp(now)) for one in self._people(count)]
        return Call(_PATH, [(b"content-type", soap.content_type(codes.ACTION_TRAITS).encode())], bodies, b"<CodeCR>00</CodeCR>")

    def own_search(self, count: int) -> Call:
        """The same persons, asked by our JSON door."""
        finess = self.manifest["structures"][0]["finess_et"]
        key = next(row["key"] for row in self.manifest["own_keys"] if finess in row["structures"])
        asked = [_traits(one) for one in self._people(count)]
        bodies = [
            orjson.dumps({
                "finess_et": finess, "nom_naissance": one.birth_name, "prenoms": [one.first_name], "sexe": one.sex,
                "date_naissance": one.birth_date, "lieu_naissance": one.birth_place,
            })
            for one in asked
        ]  # fmt: skip
        headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
        return Call(_OWN_PATH, headers, bodies, b'"CR00"')

    def _people(self, count: int) -> list[dict[str, Any]]:
        return [one for one in People.of(self.data / "sandbox").some_persons(count) if one["insi"] != "none"]


def _traits(person: dict[str, Any]) -> Traits:
    """With the birth place: nobody has a namesake there."""
    return Traits(
        person["birth_name"], person["first_names"][0], person["sex"], person["birth_date"], person["birth_place"] or None
    )


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    """In a new folder inside ``folder``, an absolute path, removed at the end with all that ran.

    Raises ChildFailed, PortTaken, BenchFailed.
    """
    with tempfile.TemporaryDirectory(prefix="banc-", dir=folder) as name:
        data = Path(name)
        await make_sandbox(data)
        manifest = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())
        supervisor = Supervisor(data, settings=_QUIET)
        await supervisor.start()
        try:
            plain = await _plain(data)
            try:
                yield Rig(data, manifest, supervisor, plain, (await ready(plain))["mock-insi"])
            finally:
                if plain.returncode is None:
                    plain.terminate()
                await plain.wait()
        finally:
            await supervisor.stop()


async def _plain(data: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mocks.insi.plain", "--data", str(data), env={**os.environ, "SOCLE_PORTS": "{}"},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
