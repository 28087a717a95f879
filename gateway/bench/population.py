"""`socle bench population`: what the number of persons costs a sandbox (docs/performance.md).

The simulated services run as they always do, in their own process; they are asked by their own protocols, one call after another.
"""
from __future__ import annotations

import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from connectors.dmp.client import BASE_PATH, User, existence_call, vihf_of
from connectors.dmp.messages import Lps
from connectors.insi.messages import Software, Stamp, Traits, search_request
from connectors.nomenclatures.oids import INS_NIR_TEST
from connectors.wire.http import Client
from connectors.wire.saml import Role, load_signer
from connectors.wire.serving import FIXED_PORTS
from connectors.wire.tls import Profile, client_context
from gateway.bench.figure import Figure, Target
from gateway.bench.processes import ready, resident_bytes
from gateway.population import People

PERSONS = 100_000
#: Bytes of disk for each person, measured and rounded up.
ROOM_PER_PERSON = 1_000
_FEW = 1_000
_SEED_S = 20.0
_CALLS, _WARM = 300, 20
_SIZED = "les mêmes appels quand le bac à sable a mille personnes"
_OID, _SOAP = "1.2.250.1.999.7", b"application/soap+xml; charset=utf-8"


def figures(folder: Path, sizes: Sequence[int] = (PERSONS,)) -> list[Figure]:
    """Make a sandbox of a thousand persons and one of each size in new folders inside ``folder``; measure, then remove them."""
    few = _of(folder, _FEW)
    return [figure for size in sizes for figure in _compared(size, _of(folder, size), few)]


def _compared(size: int, measured: dict[str, float], few: dict[str, float]) -> list[Figure]:
    targets = {"semis_cpu_s": Target("value", "below", _SEED_S)}
    units = {"semis_cpu_s": "s", "demarrage_s": "s", "memoire_mio": "Mio", "insi_ms": "ms", "dmp_ms": "ms", "fichier_mio": "Mio"}
    return [
        Figure(
            f"population.{name}.{size}", units[name], round(value, 2), round(few[name], 2), _SIZED, targets.get(name),
            "TLS mutuel" if name in ("insi_ms", "dmp_ms") else "processus", 0, 1,
        )
        for name, value in measured.items()
    ]  # fmt: skip


def _of(folder: Path, persons: int) -> dict[str, float]:
    work = Path(tempfile.mkdtemp(prefix="banc-", dir=folder))
    try:
        before = _children_s()
        subprocess.run(  # noqa: S603 - a command of ours
            [sys.executable, "-m", "mocks", "init", "--data", str(work), "--total", str(persons)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seeded = _children_s() - before
        file = (work / "sandbox" / "population.sqlite3").stat().st_size / (1 << 20)
        return {"semis_cpu_s": seeded, "fichier_mio": file, **asyncio.run(_running(work))}
    finally:
        shutil.rmtree(work)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _running(work: Path) -> dict[str, float]:
    """The mocks in a process of their own: how long they take to be ready, what they hold after the calls, the median call."""
    free = orjson.dumps({name: 0 for name in FIXED_PORTS if name.startswith("mock-")}).decode()
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mocks", "serve", "--data", str(work), "--only", "insi,dmp,psc,mssante,annuaire",
        env=_environment(free), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        urls = await ready(process)
        started_s = time.perf_counter() - started
        called = await _calls(work, urls)
        return {"demarrage_s": started_s, **called, "memoire_mio": resident_bytes(process.pid) / (1 << 20)}
    finally:
        process.terminate()
        await process.wait()


def _environment(ports: str) -> dict[str, str]:
    return {**os.environ, "SOCLE_PORTS": ports}


async def _calls(work: Path, urls: dict[str, str]) -> dict[str, float]:
    sandbox = work / "sandbox"
    manifest = orjson.loads((sandbox / "sandbox.json").read_bytes())
    structure = manifest["structures"][0]
    people = People.of(sandbox).some_persons(_CALLS)
    now = datetime.now(UTC)
    software = Software(manifest["idam"], "Banc", "1", str(uuid.uuid4()))
    searches = [
        search_request(
            Traits(one["birth_name"], one["first_names"][0], one["sex"], one["birth_date"]), software, structure["struct_id"],
            Stamp(now, f"uuid:{uuid.uuid4()}", str(uuid.uuid4()), str(uuid.uuid4())),
        )
        for one in people
    ]  # fmt: skip
    lps = Lps("Banc", "1", "BANC-1", _OID)
    user = User(f"3{structure['finess_et']}/1", "BANC", Role("53", "1.2.250.1.213.1.6.1.4", "AES"), structure["struct_id"],
                structure["sector"])  # fmt: skip
    signer = load_signer(sandbox / structure["sign"]["cert"], sandbox / structure["sign"]["key"])
    tests = [
        existence_call(one["matricule"], INS_NIR_TEST, vihf_of(user, lps, one["matricule"], INS_NIR_TEST), signer, lps, at=now)
        for one in people
    ]
    async with _client(sandbox, manifest, "standard") as insi, _client(sandbox, manifest, "dmp") as dmp:
        search, ask = partial(insi.send, "POST", urls["mock-insi"] + "/lps"), partial(dmp.send, "POST")
        insi_ms = await _median_ms([partial(search, headers=[(b"content-type", _SOAP)], body=body) for body in searches])
        dmp_url = urls["mock-dmp"] + BASE_PATH
        dmp_ms = await _median_ms([partial(ask, dmp_url + call.endpoint, headers=call.headers, body=call.body) for call in tests])
    return {"insi_ms": insi_ms, "dmp_ms": dmp_ms}


def _client(sandbox: Path, manifest: dict[str, Any], profile: Profile) -> Client:
    identity = manifest["structures"][0]["auth_cli"]
    files = {name: sandbox / identity[name] for name in ("cert", "key")}
    return Client(client_context(sandbox / manifest["pki"]["ca"], profile=profile, **files))


async def _median_ms(calls: Sequence[Callable[[], Awaitable[Any]]]) -> float:
    took: list[float] = []
    for call in calls:
        started = time.perf_counter()
        answer = await call()
        took.append((time.perf_counter() - started) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")
    return statistics.median(took[_WARM:])
