"""Two tenants at one DMP: what one fed is not found by the other, nor its VIHF taken behind another's certificate."""
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.dmp.messages import Existence, Found, RegistryAnswer
from mocks.dmp.app import DmpMock
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import Dui
from tests.mocks.dmp.conftest import Dmp


class Shared:
    """``a`` and ``b`` each have a structure, and accompany the same person."""

    def __init__(self, world: World, dui: Dui) -> None:
        self.world, self.noted = world, list[tuple[str, str]]()
        for row, tenant in zip(world.manifest["structures"], "ab", strict=True):
            row["tenant"] = tenant
        self.a, self.b = dui, replace(dui, structure=world.manifest["structures"][1])
        self.mock = DmpMock(world)
        world.denied.note = lambda name, why: self.noted.append((name, why))  # type: ignore[method-assign]

    def behind(self, dui: Dui) -> Dmp:
        """The DMP, called with the AUTH_CLI certificate of this structure."""
        pem = self.world.path(dui.structure["auth_cli"]["cert"]).read_bytes()
        der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        app = self.mock.app

        async def shown(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "extensions": {"tls": {"client_cert_der": der}}}, receive, send)

        return Dmp(SimpleNamespace(app=shown), [])  # type: ignore[arg-type]


@pytest.fixture
def shared(world: World, dui: Dui) -> Shared:
    return Shared(world, dui)


async def test_a_vihf_is_refused_behind_the_certificate_of_another_tenant(shared: Shared) -> None:
    assert isinstance(await shared.behind(shared.a).ask(shared.a.existence()), Existence)
    for call in (shared.a.existence(), shared.a.feed()):
        fault = await shared.behind(shared.b).refusal(call)
        assert (fault.subcode, "pas à l'éditeur" in fault.text) == ("DMPAccessDeniedByRightsService", True)
    assert shared.noted == [("b", "d_un_autre")] * 2 and shared.mock.documents.all() == ()
    assert shared.world.trace.counts("a")["received"] == {"DMP.TD0.2": 1}
    assert shared.world.trace.counts("b") == {"received": {"DMP.TD0.2": 1, "DMP.TD2.1": 1}, "held": {}}


async def test_another_tenants_document_is_not_found(shared: Shared) -> None:
    fed = await shared.behind(shared.a).ask(shared.a.feed())
    assert isinstance(fed, RegistryAnswer) and fed.success
    [document] = shared.mock.documents.all()
    for dui, found in ((shared.a, 1), (shared.b, 0)):
        answer = await shared.behind(dui).ask(dui.lookup(document.unique_id))
        assert isinstance(answer, Found) and len(answer.entries) == found
    assert shared.noted == [("b", "d_un_autre")]
    assert isinstance(await shared.behind(shared.b).ask(shared.b.lookup("1.2.3.9")), Found)
    assert len(shared.noted) == 1, "what is nobody's is no attempt"
    assert shared.world.trace.counts("a")["held"] == {"DMP.TD2.1": 1} and shared.world.trace.counts("b")["held"] == {}
