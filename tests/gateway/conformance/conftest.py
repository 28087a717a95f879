from __future__ import annotations

import pytest

from mocks.sandbox.build import init
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.world import PERSON


@pytest.fixture(scope="session")
def dui(tmp_path_factory: pytest.TempPathFactory) -> Dui:
    folder = tmp_path_factory.mktemp("conformance")
    return Dui(folder / "sandbox", init(folder, persons=1)["structures"][0], PERSON)
