"""TD0.2 (reference dmp §7)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from lxml import etree

from connectors.dmp.messages import Existence
from connectors.nomenclatures.xds import NS_HL7, OID_INS_NIR, OID_INS_TEST
from mocks.dmp.state import People
from mocks.sandbox.population import Population
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import Dui
from tests.mocks.dmp.conftest import Dmp

H = f"{{{NS_HL7}}}"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("active", Existence("open", "OK")), ("closed", Existence("closed", "terminated")), ("none", Existence("none", "NF"))],
)
async def test_the_state_of_each_person(dmp: Dmp, person_with: Callable[[str], Dui], status: str, expected: Existence) -> None:
    assert await dmp.ask(person_with(status).existence()) == expected


async def test_who_opposed_the_making_of_a_record_has_none(dmp: Dmp, dui: Dui) -> None:
    row = {**dui.person, "matricule": "250023599000156", "dmp": "opposed"}
    opposed = People(Population.holding([row]))
    found = opposed.get(row["matricule"])
    assert found is not None and found.dmp == "none"
    dmp.mock._people = opposed
    assert await dmp.ask(replace(dui, person=row).existence()) == Existence("none", "NF")
    refused = await dmp.ask(replace(dui, person=row).feed())
    assert [code for code, _ in refused.errors] == ["XDSUnknownPatientId"]


async def test_a_stranger_has_no_dmp(dmp: Dmp, dui: Dui, world: World) -> None:
    stranger = {**dui.person, "matricule": "299999999999934"}
    assert stranger["matricule"] not in {row["matricule"] for row in world.population.persons()}
    assert await dmp.ask(replace(dui, person=stranger).existence()) == Existence("none", "NF")


async def test_another_oid_is_another_person_unless_the_switch_says_otherwise(
    mock_with: Callable[..., Dmp], dui: Dui
) -> None:
    as_qualified = replace(dui, oid=OID_INS_NIR)
    assert await mock_with().ask(as_qualified.existence()) == Existence("none", "NF")
    assert await mock_with(ins_oids=[OID_INS_NIR, OID_INS_TEST]).ask(as_qualified.existence()) == Existence("open", "OK")


async def test_the_answer_echoes_the_request(dmp: Dmp, dui: Dui) -> None:
    call = dui.existence()
    asked, told = etree.fromstring(call.body), etree.fromstring((await dmp.post(call)).content)

    def ids(root: etree._Element, path: str) -> tuple[str | None, str | None]:
        found = root.find(f".//{H}{path}")
        assert found is not None
        return found.get("root"), found.get("extension")

    body = asked.find(f".//{H}PRPA_IN201307UV02")
    assert body is not None
    assert ids(told, f"targetMessage/{H}id") == ids(body, "id")
    assert ids(told, f"queryAck/{H}queryId") == ids(body, "queryId")
    assert ids(told, f"receiver/{H}device/{H}id") == ids(body, f"sender/{H}device/{H}id")


async def test_a_link_to_mon_espace_sante_shows(dmp: Dmp, world: World, dui: Dui) -> None:
    for mes, expected in (("open", "true"), ("none", "false")):
        person = next(row for row in world.population.persons() if row["dmp"] == "active" and row["mes"] == mes)
        told = etree.fromstring((await dmp.post(replace(dui, person=person).existence())).content)
        [observation] = told.iter(f"{H}administrativeObservation")
        assert observation.find(f"{H}code").get("code") == "RATTACHEMENT_ENS"  # type: ignore[union-attr]
        assert observation.find(f"{H}value").get("value") == expected  # type: ignore[union-attr]
