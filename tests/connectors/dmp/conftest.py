"""A DUI that signs with an authority of its own: no sandbox is needed to write messages."""
from __future__ import annotations

import pytest

from mocks.sandbox.build import init
from tests.connectors.dmp.samples import Dui

PERSON = {
    "matricule": "269054958815780", "birth_name": "EXEMPLE", "first_names": ["ALICE", "MARIE"], "sex": "F",
    "birth_date": "1969-05-22", "birth_place": "49588",
}  # fmt: skip


@pytest.fixture(scope="session")
def dui(tmp_path_factory: pytest.TempPathFactory) -> Dui:
    folder = tmp_path_factory.mktemp("dui")
    manifest = init(folder, persons=1)
    return Dui(folder / "sandbox", manifest["structures"][0], PERSON)
