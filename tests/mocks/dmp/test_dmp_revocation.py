"""A VIHF signer is refused from its revocation on, by a mock that runs."""
from __future__ import annotations

import shutil
from pathlib import Path

from connectors.dmp.messages import Existence
from connectors.wire import saml
from mocks.dmp.app import DmpMock
from mocks.sandbox.office import Office
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import NOW
from tests.mocks.dmp.conftest import Dmp, dui_of
from tests.mocks.dmp.resign import existence


async def test_a_signer_that_is_revoked_while_the_mock_runs_is_refused_from_then_on(made_sandbox: Path, tmp_path: Path) -> None:
    shutil.copytree(made_sandbox / "sandbox", tmp_path / "sandbox")
    world = World.load(tmp_path)
    dmp, dui = Dmp(DmpMock(world), []), dui_of(world, "active")
    call = existence(dui, saml.assertion(dui.vihf, dui.signer, at=NOW, logged_in_at=NOW))
    assert await dmp.ask(call) == Existence("open", "OK")
    sign = world.manifest["structures"][0]["sign"]["fingerprint"]
    Office(tmp_path / "sandbox").revoke(sign, "key_compromise")
    fault = await dmp.refusal(call)
    assert (fault.subcode, "révoqué" in fault.text) == ("DMPInvalidCertificate", True)
    world.trace.close()
