"""The world that every mock lives in: one data folder, one population, one clock, one trace, the armed faults."""
from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import orjson

from connectors.wire import serving
from connectors.wire.clock import SystemClock
from connectors.wire.serving import Service
from connectors.wire.tls import ClientCertificate, Profile, server_context
from mocks.sandbox.console import tell_refusal, tell_touched
from mocks.sandbox.denied import Denied
from mocks.sandbox.faults import Fault, Faults
from mocks.sandbox.kept import read
from mocks.sandbox.papers import write_manifest
from mocks.sandbox.population import FILE_NAME, Population
from mocks.sandbox.requests import Requests
from mocks.sandbox.trace import Trace


class Mock(Protocol):
    """One simulated service. Built with a ``World``; it never binds a port."""

    name: str

    def services(self) -> list[Service]: ...

    def state(self) -> dict[str, Any]:
        """JSON shown by the control API."""
        ...

    def reset(self) -> None:
        """Back to the state of a new sandbox; the trace is reset apart."""
        ...

    def reload(self) -> None:
        """Read its folder again (``World.state_folder``): something else was put there."""
        ...


def load_clock(data: Path) -> SystemClock:
    """Business time as the last process of this sandbox left it: it never goes back (design §7)."""
    kept = data / "mocks" / "clock.json"
    if not kept.exists():
        return SystemClock()
    state = read(kept)
    return SystemClock(timedelta(seconds=state["offset_s"]), state["version"])


def keep_clock(data: Path, offset: timedelta, version: int) -> None:
    """Write down where business time goes, before it goes there."""
    kept = data / "mocks" / "clock.json"
    partial = kept.with_suffix(".partial")
    partial.write_bytes(orjson.dumps({"offset_s": offset.total_seconds(), "version": version}))
    partial.replace(kept)


def _no_psc(_token: str) -> dict[str, Any] | None:
    return None


def _no_redirect(client_id: str, _uri: str) -> None:
    raise ValueError(f"Pro Santé Connect n'est pas simulé ici : le client « {client_id} » n'y est pas connu.")


@dataclass(slots=True)
class World:
    """What the mocks share. ``manifest`` is the JSON of docs/architecture.md.

    ports       port of every listener, the gateway's and ours
    psc_claims  claims of an access token if our PSC issued it and it is still valid, else None; filled by the PSC mock
    register_redirect  declares a redirect URI of a PSC client; ValueError with a French text; filled by the PSC mock
    """

    data: Path
    manifest: dict[str, Any] = field(repr=False)
    population: Population = field(repr=False)
    clock: SystemClock
    ports: dict[str, int]
    trace: Trace
    faults: Faults
    psc_claims: Callable[[str], dict[str, Any] | None] = _no_psc
    register_redirect: Callable[[str, str], None] = _no_redirect
    requests: Requests = field(init=False)
    denied: Denied = field(init=False)
    _followers: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.requests, self.denied = Requests(self.clock), Denied(self._deny)

    @classmethod
    def load(cls, data: Path, *, ports: dict[str, int] | None = None, clock: SystemClock | None = None) -> World:
        """Read a sandbox made by ``mocks.sandbox.build.init``; raises FileNotFoundError when there is none."""
        clock = clock or load_clock(data)
        manifest = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())
        population = Population.open(data / "sandbox" / FILE_NAME)
        trace = Trace(data / "mocks", clock)
        return cls(data, manifest, population, clock, ports if ports is not None else {}, trace, Faults(manifest["seed"]))

    def follow(self, change: Callable[[], None]) -> None:
        """Be called whenever the manifest is another one."""
        self._followers.append(change)

    def use(self, manifest: dict[str, Any]) -> None:
        """Write this manifest, whole or not at all, then live by it: nobody changes the one that is in use."""
        write_manifest(self.data / "sandbox", manifest)
        self.manifest = manifest
        for change in self._followers:
            change()

    async def _deny(self, name: str, why: str, count: int) -> None:
        await tell_refusal(self.ports.get("console"), self.manifest.get("admin_key", ""), name=name, why=why, count=count)

    @property
    def pki(self) -> dict[str, Any]:
        """The manifest's ``pki`` part; its paths go through ``path``."""
        pki: dict[str, Any] = self.manifest["pki"]
        return pki

    def path(self, relative: str) -> Path:
        """An absolute path from one of the manifest."""
        return self.data / "sandbox" / relative

    def server_tls(self, *, client: ClientCertificate = "none", profile: Profile = "standard") -> ssl.SSLContext:
        """A listener's TLS with the sandbox's server certificate; a client's is checked against its authorities and lists."""
        pki, server = self.pki, self.pki["server"]
        checks = {} if client == "none" else {"ca": self.path(pki["ca"]), "crl": self.path(pki["crl"])}
        return server_context(self.path(server["cert"]), self.path(server["key"]), client=client, profile=profile, **checks)

    async def touched(self, fault: Fault, operation: str) -> None:
        """A call is touched by this fault: the gateway is told of one after which nothing may come back to name it."""
        if fault.lost is not None:
            port, key = self.ports.get("console"), self.manifest.get("admin_key", "")
            await tell_touched(port, key, fault=fault.id, operation=operation, lost=fault.lost)

    def state_folder(self, mock: str) -> Path:
        """Where one mock keeps what must survive it; made on demand."""
        folder = self.data / "mocks" / mock
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def base_url(self, listener: str) -> str:
        """The public base of a door (``insi``, ``dmp``, ``psc``…): the gateway's, or the mock's own when no gateway is there.

        No slash at the end. Raises KeyError when neither listens.
        """
        door = listener.removeprefix("mock-")
        name = door if door in self.ports else f"mock-{door}"
        return serving.base_url(name, self.ports[name])
