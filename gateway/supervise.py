"""Starts the gateway and the mocks as processes, on sockets it opened itself, and stops them without leaving anything.

The supervisor carries no traffic. It keeps the listening sockets, so a child that is killed can be started again on the
same ports while callers wait in the backlog (docs/architecture.md, « Processes »).
"""
from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson

from connectors.wire.serving import FIXED_PORTS, SERVED, bind_loopback, ports
from gateway.os_errors import in_french
from gateway.sandbox_folder import damage, install_registry, kept_before

log = logging.getLogger(__name__)

RUN_FILE = "run.json"  # {"pid", "ports"} of a running deployment, for the commands that talk to it
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 40.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0  # before a gateway that could not be started is tried again
_UNAVAILABLE = 3
_OWN_CODES = (2, 4)  # bad input; refused to start to protect the journal


class ChildFailed(RuntimeError):
    """A child ended or stayed silent before it was ready; the text is French and names its log.

    code  exit code of design §9 for the command: the child's own when it refused its input or protected the journal
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code if code in _OWN_CODES else _UNAVAILABLE


class PortTaken(RuntimeError):
    """A port is in use, or cannot be listened on; the text is French and names it."""


@dataclass(slots=True)
class Child:
    """One process: its command, its announced listeners, its log file."""

    name: str
    command: list[str]
    log: Path
    urls: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    ready: bool = False  # the process that runs now has said so
    _reader: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None


@dataclass(slots=True)
class Supervisor:
    """Runs ``python -m mocks serve`` and ``python -m gateway`` over one data folder.

    fixed     the fixed ports of design §8; otherwise free ones
    options   of every gateway
    workers   how many gateways serve the same listeners; one that dies is started again when there are several
    mocks     False: the gateways alone, the mocks being elsewhere
    settings  environment variables added for the children
    """

    data: Path
    fixed: bool = False
    workers: int = 1
    mocks: bool = True
    options: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    announce: Callable[[str, str], None] = lambda _name, _url: None
    ports: dict[str, int] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    _sockets: dict[str, socket.socket] = field(default_factory=dict)
    _running: bool = False  # the run file is ours: a start that failed leaves that of the deployment already there

    async def start(self) -> None:
        """Open the sockets, start mocks then gateway, wait until both are ready.

        Raises PortTaken or ChildFailed; then nothing is left running.
        """
        try:
            self._open_sockets()
            if self.mocks:
                await self._add("mocks", "mocks", "serve")
            await self._add("gateway", "gateway", *self.options)  # it makes what is not there yet: schema, keys, first snapshot
            others = range(2, self.workers + 1)
            await asyncio.gather(*(self._add(f"gateway-{n}", "gateway", *self.options, "--worker", str(n)) for n in others))
            (self.data / RUN_FILE).write_bytes(orjson.dumps({"pid": os.getpid(), "ports": self.ports}))
            self._running = True
        except BaseException:
            await self.stop(kill=True)
            raise

    async def _add(self, name: str, module: str, *options: str) -> None:
        command = [sys.executable, "-m", module, *options, "--data", str(self.data)]
        self.children[name] = Child(name, command, self.data / "logs" / f"{name}.log")
        await self.launch(name)

    def _open_sockets(self) -> None:
        known = FIXED_PORTS if self.mocks else ports()
        if not self.mocks:
            self.ports = {**known, **self.ports}
        for name in SERVED:
            if not self.mocks and name.startswith("mock-"):
                continue
            port = known[name]
            try:
                sock = bind_loopback(port if self.fixed else 0)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    where = os.environ.get("SOCLE_BIND", "127.0.0.1")
                    raise PortTaken(f"Écoute impossible sur {where} ({name}) : {in_french(error)}.") from error
                raise PortTaken(
                    f"Le port {port} ({name}) est déjà pris. Arrêtez le programme qui l'occupe : peut-être un autre « socle up »."
                ) from error
            sock.set_inheritable(True)
            self._sockets[name] = sock
            self.ports[name] = sock.getsockname()[1]

    async def launch(self, name: str) -> None:
        """Start (or start again) one child and wait for its « prêt ». Raises ChildFailed."""
        child = self.children[name]
        child.ready = False
        child.log.parent.mkdir(parents=True, exist_ok=True)
        mine = {key: sock for key, sock in self._sockets.items() if key.startswith("mock-") == (name == "mocks")}
        with child.log.open("ab") as log:
            child.process = await self._spawn(child.command, mine, log)
        ready = asyncio.Event()
        child._reader = asyncio.create_task(self._listen(child, ready))
        ended = asyncio.create_task(child.process.wait())
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({ended, waiting}, timeout=_START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        child.ready = ready.is_set()
        if not child.ready:
            code = child.process.returncode
            ended.cancel()
            state = f"s'est arrêté (code {code})" if code is not None else "n'est pas prêt"
            raise ChildFailed(f"Le processus « {name} » {state}. {last_line(child.log)} Journal : {child.log}", code)

    async def _spawn(
        self, command: Sequence[str], mine: Mapping[str, socket.socket], log: IO[bytes]
    ) -> asyncio.subprocess.Process:
        fds = {key: sock.fileno() for key, sock in mine.items()}
        environment = {
            **os.environ, **self.settings, "SOCLE_SUPERVISED": "1", "PYTHONUNBUFFERED": "1",
            "SOCLE_LISTEN_FDS": orjson.dumps(fds).decode(), "SOCLE_PORTS": orjson.dumps(self.ports).decode(),
        }  # fmt: skip
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            pass_fds=tuple(fds.values()), env=environment, start_new_session=True,
        )  # fmt: skip

    async def _listen(self, child: Child, ready: asyncio.Event) -> None:
        assert child.process is not None and child.process.stdout is not None
        async for line in child.process.stdout:
            with contextlib.suppress(orjson.JSONDecodeError):
                said = orjson.loads(line)
                if "ready" in said:
                    known = said["ready"] in child.urls or _is_another(child.name)
                    child.urls[said["ready"]] = said["url"]
                    if not known:
                        self.announce(said["ready"], said["url"])
                elif said.get("pret"):
                    ready.set()

    async def kill(self, name: str) -> None:
        """SIGKILL one child by its pid and wait for its end; its sockets stay open."""
        process = self.children[name].process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def url(self, listener: str) -> str:
        """The base URL of a listener, once announced."""
        return next(child.urls[listener] for child in self.children.values() if listener in child.urls)

    async def until_child_ends(self) -> str:
        """Wait until one child ends by itself; its name. A gateway among several does not count: it is started again."""
        pause_s = 0.0
        while True:
            ended = await self._first_end()
            if ended == "mocks" or self.workers == 1:
                return ended
            log.error("gateway_ended", extra={"child": ended, "code": self._code(ended)})
            await asyncio.sleep(pause_s)
            pause_s = await self._again(ended, pause_s)

    async def _again(self, name: str, pause_s: float) -> float:
        """Start a gateway again; how long to wait before the next one is."""
        await self._forget(self.children[name])
        try:
            await self.launch(name)
        except ChildFailed as error:  # the store may be away for a while: the others cannot serve without it either
            log.error("gateway_not_started", extra={"child": name, "reason": str(error)})
            return min(max(_FIRST_PAUSE_S, pause_s * 2), _LONGEST_PAUSE_S)
        return 0.0

    def _code(self, name: str) -> int | None:
        process = self.children[name].process
        return None if process is None else process.returncode

    async def _first_end(self) -> str:
        tasks = {asyncio.create_task(child.process.wait()): name for name, child in self.children.items() if child.process}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return min((tasks[task] for task in done), key=lambda name: name != "mocks")

    async def stop(self, *, kill: bool = False) -> None:
        """Stop the gateway, then the mocks; ``kill`` does not wait for what is in flight. Closes every socket."""
        gateways = [child for child in self.children.values() if child.name != "mocks"]
        await asyncio.gather(*(self._stop_child(child, kill=kill) for child in gateways))
        if "mocks" in self.children:
            await self._stop_child(self.children["mocks"], kill=kill)
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        if self._running:
            (self.data / RUN_FILE).unlink(missing_ok=True)
            self._running = False

    async def _stop_child(self, child: Child, *, kill: bool) -> None:
        process = child.process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        await self._forget(child)

    async def _forget(self, child: Child) -> None:
        """Nothing of a process that ended stays open."""
        if child._reader is not None:
            await child._reader
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()

    def kill_now(self) -> None:
        """SIGKILL every child without waiting: the second Ctrl-C."""
        for child in self.children.values():
            if child.alive and child.process is not None:
                child.process.kill()


def _is_another(name: str) -> bool:
    """A gateway that serves beside the first one, on the same listeners."""
    return name.startswith("gateway-")


def last_line(log: Path) -> str:
    """The last line a child wrote on its log, for an error message; empty when there is none."""
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:400] if lines else ""


async def make_sandbox(
    data: Path, *, structures: Path | None = None, seed: int | None = None, persons: int | None = None
) -> None:
    """Run ``python -m mocks init`` for a data folder that has no sandbox yet, or whose servers may have a new name.

    persons  accompanied persons in all, shared between the structures; another number than the sandbox was made with is refused
    A sandbox of its own making gets its registry too: the sending of its structures counts (docs/usage.md).
    Raises ChildFailed; the text names a file of the sandbox that is damaged.
    """
    made = (data / "sandbox" / "sandbox.json").exists()
    if made and (damaged := damage(data)):
        raise ChildFailed(damaged, 2)
    if not made or persons is not None or kept_before(data) or os.environ.get("SOCLE_PUBLIC_HOSTS"):
        await _init(data, structures, seed, persons)
    if structures is None:
        install_registry(data)


async def _init(data: Path, structures: Path | None, seed: int | None, persons: int | None) -> None:
    command = [sys.executable, "-m", "mocks", "init", "--data", str(data)]
    if structures is not None:
        command += ["--structures", str(structures)]
    if seed is not None:
        command += ["--seed", str(seed)]
    if persons is not None:
        command += ["--total", str(persons)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    if process.returncode:
        lines = error.decode("utf-8", "replace").strip().splitlines()
        raise ChildFailed(f"Le bac à sable n'a pas pu être préparé dans {data}. {lines[-1] if lines else ''}", process.returncode)
