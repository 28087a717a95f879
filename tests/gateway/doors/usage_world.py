"""A console with the journal's and the rates' routes, two grappes, and calls of both."""
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from gateway.access.denials import ACTION, Denials
from gateway.access.rights import Keys
from gateway.bench.usage_grappe import bench_grappe
from gateway.doors.console import Console
from gateway.doors.journal_api import JournalApi
from gateway.doors.reading import Gate
from gateway.doors.usage_api import UsageApi
from gateway.grappes.reading import example, write_grappe
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.journal.query import Filters, JournalReader
from gateway.journal.record import Count, Named, Record
from tests.gateway.usage.world import CARMES, fed, sent, utc

ADMIN = {"X-Socle-Admin-Key": "cle"}
MINE, OTHER = "marseille-hyeres", "banc"
THEIR_ET = bench_grappe().essms[0].finess_et


class BusinessClock:
    """Business time that moves when told; real time that follows it."""

    version = 0

    def __init__(self) -> None:
        self.now = datetime(2027, 6, 15, 10, 30, tzinfo=UTC)

    def real(self) -> datetime:
        return self.now

    def business(self) -> datetime:
        return self.now


def of_mine(n: int = 0, outcome: Any = "ok") -> Record:
    record = fed(f"28907750000{n:04d}", f"2027-03-0{1 + n % 9} 09:00", outcome=outcome)
    record.tenant = "editeur-a"
    return record


def of_another(outcome: Any = "ok") -> Record:
    """A call of the other grappe, by another vendor."""
    unit = Named("person", "199999999999999")
    return Record(
        "DMP.TD2.1", event_time=utc("2027-03-02 09:00"), outcome=outcome, finess_et=THEIR_ET, tenant="editeur-b", person=unit,
        finess_ej=bench_grappe().essms[0].finess_ej, attribution="metadonnee", counts_for=[Count("IND-DMP-01", unit)],
    )  # fmt: skip


class UsageWorld:
    """``write`` some calls, make a ``key``, ``get`` a route."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, BusinessClock()
        (folder / "grappes").mkdir(parents=True)
        for grappe in (example(MINE), bench_grappe()):
            (folder / "grappes" / f"{grappe.id}.json").write_bytes(write_grappe(grappe))
        self.registry = Registry.load(folder / "grappes")
        self.journal = Journal.open(folder, environment="bac_a_sable", clock=self.clock, ballast_bytes=1 << 18)
        self.denials = Denials(self.journal, self.clock)
        with JournalReader(folder) as reader:
            self.keys = Keys.from_journal(reader)
        console = Console(self.journal, self.clock, "bac_a_sable", "cle", {}, lambda: 0)  # type: ignore[arg-type]
        app = console.app()
        usage = UsageApi(self.journal, self.clock, Gate(self.keys, self.denials), self.registry, "bac_a_sable")
        JournalApi(self.journal, self.clock, self.keys, self.denials, console.check_admin, self.registry).mount(
            app, [usage.router()]
        )
        self.app = app
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console")

    async def fill(self) -> None:
        """Three persons and two messages of one ESSMS of the first grappe in March 2027, and one person of the other's."""
        await self.journal.write(*(of_mine(n) for n in range(3)), of_another())
        await self.journal.write(*(sent(f"<{n}@x>", "2027-03-04 09:00", CARMES) for n in range(2)))

    async def key(self, name: str, *rights: str, grappes: tuple[str, ...] = (), tenant: str | None = None) -> dict[str, str]:
        new = {"name": name, "rights": rights, "tenant": tenant, "grappes": grappes, "by": "amoa"}
        answer = await self.http.post("/admin/journal/keys", json=new, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['key']}"}

    async def get(self, path: str, key: dict[str, str], **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=key | headers)

    def admin(self, action: str) -> list[dict[str, Any]]:
        with JournalReader(self.folder) as reader:
            found = [entry["detail"] for _, entry in reader.select(Filters(kind="admin"))]
        return [detail for detail in found if detail["action"] == action]

    def denied(self) -> list[tuple[str, dict[str, int]]]:
        return [(detail["by"], detail["why"]) for detail in self.admin(ACTION)]

    async def close(self) -> None:
        await self.http.aclose()
        await self.journal.close()
