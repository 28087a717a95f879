"""Production and the other environments never meet: each refusal beside what the same road takes (design §7 and §8)."""
from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.nomenclatures.oids import INS_NIA, INS_NIR, INS_NIR_DEMO, INS_NIR_TEST
from connectors.wire.http import Answer
from gateway.access.callers import UNKNOWN, Caller
from gateway.access.profile import Profile
from gateway.door import Barred
from gateway.journal.record import Intent, Record
from gateway.road import Request
from tests.gateway.access.nationals import OTHER, PRODUCTION, SANDBOX, TEST, candidate_of, issuer
from tests.gateway.access.papers import candidate, der
from tests.gateway.road_bench import Door, World, road_bench

OUTSIDE = ("bac_a_sable", "recette", "charge")


def test_each_environment_refuses_the_certificates_of_the_other() -> None:
    sandbox, test, production, other = (der(one) for one in (candidate(), *map(candidate_of, (TEST, PRODUCTION, OTHER))))
    real = Profile("production")
    assert "d'un bac à sable" in str(real.why_not_certificate(sandbox))
    assert "plates-formes nationales d'essai" in str(real.why_not_certificate(test))
    assert real.why_not_certificate(production) is real.why_not_certificate(other) is real.why_not_certificate(None) is None
    for environment in OUTSIDE:
        profile = Profile(environment)
        assert "de la production nationale" in str(profile.why_not_certificate(production))
        assert [profile.why_not_certificate(one) for one in (sandbox, test, other, b"not a certificate")] == [None] * 4


def test_an_authority_that_signs_itself_is_known_by_its_own_name() -> None:
    assert Profile("production").why_not_certificate(der(issuer(TEST))) is not None
    assert Profile("recette").why_not_certificate(der(issuer(PRODUCTION))) is not None
    assert Profile("production").why_not_certificate(der(issuer(PRODUCTION))) is None


def test_each_environment_refuses_the_hosts_of_the_other() -> None:
    real = Profile("production")
    barred = [host for host in ("localhost", "auth.bas.psc.esante.gouv.fr", "lps2.dmp.gouv.fr", "relais.hopital.fr")
              if real.why_not_host(host)]  # fmt: skip
    assert barred == ["localhost", "auth.bas.psc.esante.gouv.fr"]
    for environment in OUTSIDE:
        hosts = ("localhost", "auth.bas.psc.esante.gouv.fr", "lps2.dmp.gouv.fr", "relais.hopital.fr")
        assert [host for host in hosts if Profile(environment).why_not_host(host)] == ["lps2.dmp.gouv.fr"]


def test_only_production_refuses_the_oids_of_fictitious_people() -> None:
    oids = (INS_NIR, INS_NIA, INS_NIR_TEST, INS_NIR_DEMO, None)
    assert [oid for oid in oids if Profile("production").why_not_oid(oid)] == [INS_NIR_TEST, INS_NIR_DEMO]
    assert [oid for environment in OUTSIDE for oid in oids if Profile(environment).why_not_oid(oid)] == []


# --- at a call ------------------------------------------------------------------------------------------------------


class Teller(Door):
    """A door that says who calls and what is asked as the test wants."""

    caller, operation, oid = Caller(tenant="editeur-a", finess_et="130784507"), "ANN.RECHERCHE", INS_NIR
    environment = "bac_a_sable"

    def identify(self, request: Request, access: object) -> Caller:
        return self.caller

    def read(self, request: Request, record: Record, caller: Caller) -> Intent | None:
        why = Profile(self.environment).why_not_oid(self.oid)
        if why is not None:
            raise Barred(why)
        if self.operation == "DMP.TD2.1":
            return super().read(request, record, caller)
        record.operation = self.operation
        return None


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    async with road_bench(tmp_path / "gateway") as world:
        yield world


async def called(world: World, environment: str, certificate: bytes | None = None, **told: object) -> Answer:
    door = Teller(world.door.base)
    for name, value in {**told, "environment": environment}.items():
        setattr(door, name, value)
    world.road.environment = environment
    return await world.road.carry(door, Request("dmp", "POST", "/feed", [], b"document", certificate))


@pytest.mark.parametrize(
    ("environment", "barred", "taken"),
    [("production", SANDBOX, PRODUCTION), ("production", TEST, OTHER), ("bac_a_sable", PRODUCTION, SANDBOX),
     ("recette", PRODUCTION, TEST)],
)  # fmt: skip
async def test_a_call_with_the_other_s_certificate_is_refused_and_recorded(
    world: World, environment: str, barred: tuple[str, str], taken: tuple[str, str]
) -> None:
    refused = await called(world, environment, der(candidate_of(barred)))
    assert (refused.status, refused.header("x-socle-fault"), world.received) == (500, "V-PROFIL", 0)
    answered = await called(world, environment, der(candidate_of(taken)))
    assert (answered.status, answered.body, world.received) == (200, b"Success", 1)
    first, second = world.entries()
    assert (first["outcome"], first["flags"], first["tenant"]) == ("unauthorised", ["V-PROFIL"], "editeur-a")
    assert first["exchanges"] == []
    assert (second["outcome"], second["flags"]) == ("ok", [])


async def test_a_feed_for_a_fictitious_person_has_no_intent_in_production(world: World) -> None:
    refused = await called(world, "production", operation="DMP.TD2.1", oid=INS_NIR_TEST)
    assert (refused.header("x-socle-fault"), world.received, world.intents()) == ("V-PROFIL", 0, 0)
    for environment, oid in (("production", INS_NIR), ("bac_a_sable", INS_NIR_TEST)):
        assert (await called(world, environment, operation="DMP.TD2.1", oid=oid)).status == 200
    assert [(one["outcome"], one["flags"]) for one in world.entries()] == [
        ("unauthorised", ["V-PROFIL"]), ("ok", []), ("ok", []),
    ]  # fmt: skip


@pytest.mark.parametrize("operation", ["ANN.RECHERCHE", "PSC.AUTHORIZE", "PSC.TOKEN", "PSC.USERINFO"])
async def test_who_is_unknown_is_relayed_to_a_mock_and_refused_in_production(world: World, operation: str) -> None:
    refused = await called(world, "production", operation=operation, caller=UNKNOWN)
    assert (refused.status, refused.header("x-socle-fault"), world.received) == (403, "V-INCONNU", 0)
    for environment, caller in (("production", replace(UNKNOWN, tenant="editeur-a")), ("bac_a_sable", UNKNOWN)):
        assert (await called(world, environment, operation=operation, caller=caller)).status == 200
    assert [one["flags"] for one in world.entries()] == [["V-INCONNU"], [], []]


@pytest.mark.parametrize("operation", ["PSC.LOGIN", "PSC.DISCOVERY"])
async def test_what_names_nobody_is_relayed_in_production_too(world: World, operation: str) -> None:
    assert (await called(world, "production", operation=operation, caller=UNKNOWN)).status == 200


async def test_strangers_cannot_fill_the_journal_of_production(world: World) -> None:
    for _ in range(25):
        assert (await called(world, "production", caller=UNKNOWN)).status == 403
    assert len(world.entries()) == 20 and world.road.take_refused() == {("dmp", "V-INCONNU"): 5}
