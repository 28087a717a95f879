"""Same measures, same bytes: whatever the clock, the folder, the hash seed, the zone and the language of the machine."""
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from gateway.exports.manifest import with_manifest
from gateway.exports.pack import MAKERS, files_of
from tests.gateway.exports.world import MONTH, edition

ROOT = Path(__file__).parents[3]
ELSEWHERE = """
import datetime, time
time.time = lambda: 1_940_000_000.0  # 2031
class AnyDate(type):
    def __instancecheck__(cls, one):
        return isinstance(one, datetime.datetime)
class Later(metaclass=AnyDate):
    now = staticmethod(lambda tz=None: datetime.datetime(2031, 7, 1, 12, tzinfo=tz))
import xlsxwriter.core
xlsxwriter.core.datetime = Later  # what dates a workbook that was given no date
from gateway.exports.manifest import with_manifest
from gateway.exports.pack import MAKERS, files_of
from tests.gateway.exports.world import edition
one = edition()
for file in with_manifest(one, files_of(one, MAKERS)):
    print(file.sha256, file.name)
"""


def digests() -> list[str]:
    one = edition()
    return [f"{hashlib.sha256(file.content).hexdigest()} {file.name}" for file in with_manifest(one, files_of(one, MAKERS))]


def test_another_machine_at_another_time_writes_the_same_files(tmp_path: Path) -> None:
    here = digests()
    changed = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "4242", "TZ": "Pacific/Noumea", "LANG": "C", "LC_ALL": "C"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], cwd=tmp_path, env={**os.environ, **changed}, timeout=60, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert elsewhere.stdout.splitlines() == here
    assert len(here) == 9


def test_the_wall_clock_is_in_no_file() -> None:
    now = time.gmtime()
    today = [time.strftime(form, now).encode() for form in ("%Y-%m-%d", "%d/%m/%Y", "D:%Y%m%d")]
    for file in files_of(edition(windows=(MONTH,)), MAKERS):
        assert not [day for day in today if day in file.content], file.name
