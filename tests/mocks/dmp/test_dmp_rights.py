"""Rights by mode (reference dmp §3): the rows of the matrix that the mock knows."""
from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from connectors.dmp import messages
from connectors.dmp.client import DmpCall
from connectors.dmp.errors import DmpFault
from connectors.dmp.messages import Existence, Found, RegistryAnswer
from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_QUERY, NS_RIM
from connectors.wire import saml, soap
from tests.connectors.dmp.samples import NOW, Dui
from tests.mocks.dmp.conftest import Dmp

FIND_DOCUMENTS = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"


def search(dui: Dui, mode: str, *, query: str = FIND_DOCUMENTS, returns: str = "LeafClass") -> DmpCall:
    body = messages.lookup_request([])
    body.find(f"{{{NS_QUERY}}}ResponseOption").set("returnType", returns)  # type: ignore[union-attr]
    body.find(f"{{{NS_RIM}}}AdhocQuery").set("id", query)  # type: ignore[union-attr]
    return framed(dui, body, mode)


def framed(dui: Dui, body: etree._Element, mode: str) -> DmpCall:
    assertion = saml.assertion(replace(dui.vihf, mode=mode), dui.signer, at=NOW, logged_in_at=NOW)
    message = messages.frame(body, assertion, action=xds.ACTION_QUERY)
    return DmpCall("registry", [(b"content-type", soap.content_type().encode())], message)


async def test_the_rights_of_each_mode(dmp: Dmp, dui: Dui) -> None:
    reinforced = replace(dui.vihf, mode="INDIRECTE_RENFORCEE")
    assert isinstance(await dmp.ask(dui.existence()), Existence)
    assert isinstance(await dmp.ask(dui.existence(vihf=reinforced)), Existence)
    assert isinstance(await dmp.ask(dui.lookup("1.2.3")), Found)
    assert isinstance(await dmp.ask(dui.lookup("1.2.3", vihf=reinforced)), Found)

    refused = await dmp.refusal(dui.feed(vihf=reinforced))
    assert (refused.subcode, "alimentation" in refused.text) == ("DMPAccessDeniedByRightsService", True)
    assert dmp.mock.state()["documents"] == 0
    assert await dmp.ask(dui.feed()) == RegistryAnswer(True)  # the twin

    denied = await dmp.refusal(search(dui, "INDIRECTE"))
    assert (denied.subcode, "recherche" in denied.text) == ("DMPAccessDeniedByRightsService", True)


@pytest.mark.parametrize("returns", ["LeafClass", "ObjectRef"])
async def test_a_search_open_to_the_mode_but_not_simulated_says_so(dmp: Dmp, dui: Dui, returns: str) -> None:
    fault: DmpFault = await dmp.refusal(search(dui, "INDIRECTE_RENFORCEE", returns=returns))
    assert (fault.code, fault.subcode) == ("Receiver", None)
    assert "non simulée" in fault.text


async def test_documents_by_unique_id_are_not_references(dmp: Dmp, dui: Dui) -> None:
    """The same query, asked for whole entries: that is consultation."""
    denied = await dmp.refusal(search(dui, "INDIRECTE", query=xds.QUERY_GET_DOCUMENTS))
    assert denied.subcode == "DMPAccessDeniedByRightsService"
