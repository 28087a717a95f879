"""The three times, through the gateway and the rates: a first period, the end of a month, an acknowledgement that comes late."""
from __future__ import annotations

import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

import orjson
import pytest

from gateway.embedding import ControlRefused, Sandbox

ROOT = Path(__file__).parents[2]
PARIS = ZoneInfo("Europe/Paris")


def business(sandbox: Sandbox) -> datetime:
    return datetime.fromisoformat(sandbox.control("GET", "/clock")["business"]).astimezone(PARIS)


def feed(sandbox: Sandbox) -> dict[str, Any]:
    """One document by the simple door; its entry."""
    given: Any = sandbox.given
    body = {
        "finess_et": "0B0990008",
        "patient": {
            "matricule": "275126322074974", "oid": "1.2.250.1.213.1.4.8", "nom_naissance": "ADRUN", "prenoms": ["ZOE"],
            "sexe": "F", "date_naissance": "1975-12-31", "lieu_naissance": "63220", "ipp": "U-4711",
        },
        "document": {"type": "80788-3", "titre": "Projet", "texte": ["Document fictif."]},
        "auteur": {
            "identifiant": "30B0990008/ed.12", "nom": "DUPONT", "prenom": "CLAIRE",
            "profession": {"code": "51", "oid": "1.2.250.1.213.1.6.1.4", "libelle": "Educateur spécialisé"},
            "role": {"code": "326", "oid": "1.2.250.1.213.1.6.1.107", "libelle": "Educateur spécialisé"},
        },
    }  # fmt: skip
    headers = {
        "Authorization": f"Bearer {given['cle_portes_simples']}", "Content-Type": "application/json",
        "Idempotency-Key": str(uuid.uuid4()),
    }  # fmt: skip
    with urlopen(Request(given["bases"]["console"] + "/dmp/documents", orjson.dumps(body), headers), timeout=60) as answer:
        assert orjson.loads(answer.read())["statut"] == "accepte"
    return sandbox.entries("DMP.TD2.1")[0]


SOCLE = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


def rates(sandbox: Sandbox, since: str) -> Any:
    done = subprocess.run(
        [*SOCLE, "usage", "rates", "--from", since, "--json", "--data", str(sandbox.data)],
        cwd=ROOT, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return orjson.loads(done.stdout)


def next_month(moment: datetime, months: int = 1) -> datetime:
    """Midnight in Paris on the first day, so many months later."""
    count = moment.year * 12 + moment.month - 1 + months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=PARIS)


def go_to(sandbox: Sandbox, moment: datetime) -> None:
    there, here = moment.astimezone(UTC), business(sandbox).astimezone(UTC)  # Paris has nights of 23 and of 25 hours
    sandbox.advance((there - here).total_seconds())


def begin_month(sandbox: Sandbox) -> datetime:
    """A month of which nothing is known yet: its first midnight."""
    start = next_month(business(sandbox))
    go_to(sandbox, start + timedelta(hours=1))
    return start


def counted(sandbox: Sandbox, start: datetime) -> dict[str, int]:
    """Numerator of the first structure's DMP rate, by first day of the window, the first period beginning in this month."""
    told = rates(sandbox, start.strftime("%Y-%m"))["rates"]
    mine = [row for row in told if (row["finess_et"], row["indicator"]) == ("0B0990008", "IND-DMP-01")]
    return {row["period_start"]: row["numerator"] for row in mine}


def test_a_first_period_counts_what_was_fed_in_it(socle_sandbox: Sandbox) -> None:
    start = begin_month(socle_sandbox)
    assert set(counted(socle_sandbox, start).values()) == {0}
    entry = feed(socle_sandbox)
    assert datetime.fromisoformat(entry["event_time"]).astimezone(PARIS) >= start
    assert datetime.fromisoformat(entry["recorded_at"]) < datetime.fromisoformat(entry["event_time"]), "real time did not jump"
    assert counted(socle_sandbox, start) == {f"{start:%Y-%m-%d}": 1}, "a month to come has no rate"


def test_the_end_of_a_month_is_midnight_in_paris(socle_sandbox: Sandbox) -> None:
    start = begin_month(socle_sandbox)
    border = next_month(start, 3)
    go_to(socle_sandbox, border - timedelta(minutes=10))
    before = feed(socle_sandbox)
    assert counted(socle_sandbox, start) == {f"{start:%Y-%m-%d}": 1, f"{border:%Y-%m-%d}": 0}
    go_to(socle_sandbox, border + timedelta(seconds=1))
    after = feed(socle_sandbox)
    assert before["event_time"] < after["event_time"] and before["clock_version"] < after["clock_version"]
    assert counted(socle_sandbox, start) == {f"{start:%Y-%m-%d}": 1, f"{border:%Y-%m-%d}": 1}


def test_an_acknowledgement_that_comes_late_counts_when_it_is_read(socle_sandbox: Sandbox) -> None:
    start = begin_month(socle_sandbox)
    border = next_month(start, 3)
    go_to(socle_sandbox, border - timedelta(seconds=2))
    socle_sandbox.control("POST", "/faults", {"operation": "DMP.TD2.1", "kind": "timeout", "delay_s": 3, "for_next": 1})
    entry = feed(socle_sandbox)
    assert (entry["time_basis"], entry["flags"]) == ("acknowledged", ["F-INJECTION"])
    assert datetime.fromisoformat(entry["event_time"]).astimezone(PARIS) >= border
    assert counted(socle_sandbox, start) == {f"{start:%Y-%m-%d}": 0, f"{border:%Y-%m-%d}": 1}


def test_time_goes_forward_only_and_each_jump_is_an_entry(socle_sandbox: Sandbox) -> None:
    before = business(socle_sandbox)
    for wrong in (-3600, 0):
        with pytest.raises(ControlRefused, match="advance_s"):
            socle_sandbox.advance(wrong)
    socle_sandbox.advance(60)
    assert business(socle_sandbox) >= before + timedelta(seconds=60)
    [jump, *_] = [entry["detail"] for entry in socle_sandbox.entries() if entry["kind"] == "admin"]
    assert jump["by"] == "bac_a_sable" and "offset_us" in jump
