"""The same demo, its journal on a server: nothing that it counts or reconciles depends on the store."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import orjson
import pytest

from gateway.journal.location import FILE_NAME, address_of
from gateway.usage.recount import recount
from tests.e2e.test_demo import MONTHS, SEED, SOCLE, Demonstration
from tests.e2e.test_demo import test_it_reconciles as test_it_reconciles
from tests.e2e.test_demo import test_rates_are_those_of_the_plan as test_rates_are_those_of_the_plan
from tests.stores import Server

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Demonstration:
    place = tmp_path_factory.mktemp("demo")
    command = [*SOCLE, "demo", "--persons", "5", "--months", str(MONTHS), "--seed", str(SEED), "--json", "-o", "out"]
    environment = os.environ | {"SOCLE_STORE": postgres.empty(place)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, timeout=240)
    assert done.stdout, done.stderr.decode()
    [folder] = (place / ".socle" / "demo").iterdir()
    return Demonstration(folder, done.returncode, orjson.loads(done.stdout))


def test_its_journal_is_on_the_server_and_recounts(demonstration: Demonstration) -> None:
    gateway: Path = demonstration.folder / "data" / "gateway"
    assert address_of(gateway) is not None
    assert not (gateway / FILE_NAME).exists()
    assert recount(gateway).gap_count == 0
    log = (demonstration.folder / "data" / "logs" / "gateway.log").read_text()
    assert "journal_not_signed" not in log, "no hole is seen where entries are being written"
