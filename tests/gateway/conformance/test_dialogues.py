"""The pairs of the checks that no single body shows: a whole dialogue by a door into a journal, and one thing changed in it."""
from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from gateway.access.callers import Caller
from gateway.conformance.live import Observer, eyes_of
from gateway.conformance.model import Call
from gateway.conformance.rules import catalogue, rule_set
from gateway.conformance.running import Result, run_rules
from gateway.conformance.window import JournalWindow
from gateway.doors.dmp import DmpDoor
from gateway.grappes.reading import write_grappe
from gateway.journal.record import Record
from gateway.road import Request
from mocks.sandbox.faults import Fault
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.test_pairs import PAIRS
from tests.gateway.conformance.world import ENTRY, Memory
from tests.gateway.doors.smtp_bench import LES_CARMES, SmtpBench, registry, smtp_bench
from tests.gateway.journal.world import rows
from tests.mocks.mssante.bench import APPLICATION, NADIA, PERSONAL, SHARED, certified, message, plain, xoauth2

_CLAIMS = base64.urlsafe_b64encode(b'{"SubjectNameID":"%s"}' % NADIA.encode()).decode().rstrip("=")
JWT = f"e30.{_CLAIMS}.c2ln"
Play = Callable[[SmtpBench], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """``whole`` conforms to ``check``; ``broken`` does not, and ``found`` is said. ``declared``: by the DUI, of each."""

    check: str
    whole: Play
    broken: Play
    found: str
    declared: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None)


async def sends(bench: SmtpBench, *, token: str = JWT, sender: str = SHARED, hears: int = 250) -> None:
    """A professional opens a mailbox and writes from it."""
    bench.world.psc_claims = {one: {"SubjectNameID": NADIA} for one in (JWT, "opaque")}.get
    async with bench.dui(login=False) as smtp:
        await smtp.login(sender, token)
        await smtp.send(message(sender), hears, sender=sender)
        await smtp.says("QUIT", 221)


async def misspelt(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.starttls()
        await smtp.says(f"AUTH XOAUTH2 {xoauth2('infirmerie', JWT)}", 334)
        await smtp.says("", 535)
        await smtp.says("QUIT", 221)


async def in_clear(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui", 250)
        await smtp.says(f"MAIL FROM:<{SHARED}>", 530)
        await smtp.says("QUIT", 221)


async def applicative(bench: SmtpBench, *, certificate: bool = True) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.starttls(certified() if certificate else None)
        await smtp.says(f"AUTH PLAIN {plain(APPLICATION)}", 235 if certificate else 535)
        await smtp.says("QUIT", 221)


async def refused(bench: SmtpBench) -> None:
    bench.world.faults.arm(Fault("panne", "MSS.SOUMISSION", "status", "452"))
    await sends(bench, hears=452)


async def both(bench: SmtpBench) -> None:
    await sends(bench)
    await refused(bench)


async def unit_lost(bench: SmtpBench) -> None:
    await sends(bench)
    rows(bench.folder / "gateway", "DELETE FROM usage_units")


def sendings(**counts: int) -> dict[str, Any]:
    named = {"finess_et": LES_CARMES, "canal": "mss_pro"}
    return {"envois": [{**named, "issue": issue, "nombre": number} for issue, number in counts.items()]}


SCENES = [
    Scene("CHK-MSS-01", sends, in_clear, "en clair"),
    Scene("CHK-MSS-09", sends, misspelt, "adresse de BAL"),
    Scene("CHK-MSS-10", applicative, lambda bench: applicative(bench, certificate=False), "absent"),
    Scene("CHK-JRN-01", sends, lambda bench: sends(bench, token="opaque"), "auteur"),
    Scene("CHK-JRN-04", both, sends, "1 à l'extraction", (sendings(succes=1, echec=1), sendings(succes=1, echec=1))),
    Scene("CHK-JRN-05", refused, refused, "0 échec", (sendings(echec=1), sendings(succes=1))),
    Scene("CHK-JRN-07", sends, lambda bench: sends(bench, sender=PERSONAL), "1 sur 1"),
    Scene("CHK-JRN-08", sends, unit_lost, "écart"),
]
#: Below; on what the DUI declares, which is then the message (test_pairs); on a registry that is signed (test_proved).
ELSEWHERE = {"CHK-JRN-02", "CHK-JRN-03", "CHK-JRN-06"}


async def judged(folder: Path, scene: Scene, play: Play, declared: dict[str, Any] | None) -> Result:
    async with smtp_bench(folder) as bench:
        bench.door.observer = Observer(eyes_of(bench.journal.vault, None))
        await play(bench)
        await bench.door.drain(5)
        grappes = folder / "gateway" / "grappes"
        grappes.mkdir()
        [grappe] = registry().grappes.values()
        (grappes / f"{grappe.id}.json").write_bytes(write_grappe(grappe))
        with JournalWindow.open(folder / "gateway", "bac_a_sable", declared=declared) as window:
            return next(one for one in run_rules(window, rule_set("tout")) if one.rule.id == scene.check)


@pytest.mark.parametrize("scene", SCENES, ids=[one.check for one in SCENES])
async def test_the_whole_dialogue_passes_and_one_change_fails(tmp_path: Path, scene: Scene) -> None:
    whole = await judged(tmp_path / "whole", scene, scene.whole, scene.declared[0])
    assert whole.state == "conforme", whole.findings
    broken = await judged(tmp_path / "broken", scene, scene.broken, scene.declared[1])
    assert broken.state == "non_conforme"
    assert any(scene.found in one.found for one in broken.findings if one.state == "non_conforme"), broken.findings


@pytest.mark.parametrize(("edit", "state"), [(b"NameID", "conforme"), (b"NomID", "non_conforme")])
def test_a_dmp_message_without_its_user_is_told(dui: Dui, edit: bytes, state: str) -> None:
    """CHK-JRN-02: the entry is what the door read of the message."""
    call, record = dui.existence(), Record("DMP.INCONNUE")
    request = Request("dmp", "POST", "/registry", call.headers, call.body.replace(b"NameID", edit))
    DmpDoor("https://dmp.invalid", registry(), SystemClock().business).read(request, record, Caller(finess_et=LES_CARMES))
    entry = ENTRY | {
        "operation": record.operation, "id": "x", "seq": 0, "finess_et": record.finess_et,
        "professional_ref": None if record.professional is None else "a" * 32,
    }  # fmt: skip
    rules = run_rules(Memory([Call(entry, None)]), rule_set("journal"))
    assert next(one.state for one in rules if one.rule.id == "CHK-JRN-02") == state


def test_every_check_has_a_pair_on_a_message_or_on_a_dialogue() -> None:
    by_hand = {"CHK-MSS-01", "CHK-MSS-09", "CHK-MSS-10", *(f"CHK-JRN-0{n}" for n in range(1, 9))}
    on_messages = {pair.check for pair in PAIRS} - by_hand
    assert on_messages | {one.check for one in SCENES} | ELSEWHERE == set(catalogue())
