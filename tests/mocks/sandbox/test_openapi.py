"""The control API keeps what its description promises, whatever is sent to it."""
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.python import asgi

from mocks.runtime import MOCKS
from mocks.sandbox.build import init
from mocks.sandbox.control import Control
from mocks.sandbox.frame import KEY_HEADER
from mocks.sandbox.world import World
from tests.mocks.sandbox.consoles import Gateway

#: Each route gets so many requests that its description allows, and as many that it does not.
EXAMPLES = 4

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=1)
    world = World.load(data, ports={})
    yield world
    world.trace.close()


@pytest.fixture(scope="module")
def app(world: World) -> Any:
    return Control(world, {name: make(world) for name, make in MOCKS.items()}).app


@pytest.fixture
async def stranger(app: Any) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://control") as client:
        yield client


@pytest.fixture
async def described(stranger: httpx.AsyncClient) -> dict[str, Any]:
    return (await stranger.get("/openapi.json")).raise_for_status().json()


def keyless(app: Any) -> dict[str, Any]:
    """The description without its key, which every request here carries; no time is lost in leaving it out."""
    described = dict(schemathesis.openapi.from_asgi("/openapi.json", app).raw_schema)
    del described["security"]
    return described


async def seen_at_once(held: Callable[[], bool], _timeout_s: float) -> bool:
    """Nobody waits here: what is waited for never comes."""
    return held()


def routes(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation)"""
    return [(method.upper(), path, one) for path, methods in described["paths"].items() for method, one in methods.items()]


def test_no_request_gets_an_answer_that_the_description_does_not_tell(
    world: World, app: Any, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    world.ports["console"] = gateway.port
    monkeypatch.setattr(world.requests, "until", seen_at_once)
    load_all_checks()
    schema = schemathesis.openapi.from_dict(keyless(app))
    schema.app = app
    key = {KEY_HEADER: world.manifest["control_key"]}
    # A request may be well formed and refused all the same; keys and methods are asked for once a route, below.
    left_out = CHECKS.get_by_names(["positive_data_acceptance", "ignored_auth", "unsupported_method"])
    asked: Counter[str] = Counter()
    answered: Counter[int] = Counter()
    with asgi.get_client(app) as client:
        for found in schema.get_all_operations():
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @settings(
                    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
                    suppress_health_check=list(HealthCheck), phases=[Phase.generate],
                )  # fmt: skip
                @given(case=found.ok().as_strategy(mode))
                def ask(case: Any) -> None:
                    asked[case.operation.label] += 1
                    response = case.call_and_validate(headers=key, session=client, excluded_checks=left_out)
                    answered[response.status_code] += 1

                try:
                    ask()
                except Unsatisfiable:  # a route that takes nothing: nothing can be wrong in it
                    assert mode is GenerationMode.NEGATIVE
    for method, path, operation in routes(keyless(app)):
        takes = "requestBody" in operation or operation.get("parameters")
        assert asked[f"{method} {path}"] >= (EXAMPLES + 1 if takes else 1), asked
    assert answered.keys() >= {200, 400, 404, 422} and max(answered) < 500, answered


async def test_every_route_asks_for_the_key(world: World, stranger: httpx.AsyncClient, described: dict[str, Any]) -> None:
    for method, path, _ in routes(described):
        for key in ({}, {KEY_HEADER: "autre"}):
            refused = await stranger.request(method, re.sub(r"\{\w+\}", "x", path), headers=key)
            assert (refused.status_code, refused.headers["Content-Type"]) == (401, PROBLEM), (method, path)
    absent = {KEY_HEADER: world.manifest["control_key"]}
    assert (await stranger.get("/rien", headers=absent)).status_code == 404


async def test_another_method_is_refused_with_those_that_are_there(
    world: World, stranger: httpx.AsyncClient, described: dict[str, Any]
) -> None:
    stranger.headers[KEY_HEADER] = world.manifest["control_key"]
    for path, methods in described["paths"].items():
        refused = await stranger.request("PROPFIND", re.sub(r"\{\w+\}", "x", path))
        assert (refused.status_code, refused.headers["Content-Type"]) == (405, PROBLEM), path
        assert set(refused.headers["Allow"].split(", ")) >= {method.upper() for method in methods}, path


def test_each_route_says_in_french_what_it_does_and_how_it_refuses(app: Any, world: World) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", app).raw_schema
    for method, path, operation in routes(dict(described)):
        where = f"{method} {path}"
        assert operation.get("description", "").strip().endswith("."), where
        assert operation["tags"], where
        refusals = {status: said for status, said in operation["responses"].items() if int(status) >= 400}
        assert {"401", "422"} <= set(refusals), where
        assert all(list(said["content"]) == [PROBLEM] for said in refusals.values()), where
        assert ({"400", "413"} <= set(refusals)) == ("requestBody" in operation), where


@pytest.mark.parametrize("body", [b'{"advance_s": NaN}', b'"\\ud800"', b"\xff", b"[" * 5000, b'{"a":' * 3000, b"\x00"])
async def test_a_body_that_is_no_json_never_reaches_a_route(world: World, stranger: httpx.AsyncClient, body: bytes) -> None:
    stranger.headers[KEY_HEADER] = world.manifest["control_key"]
    before = world.clock.version
    for kind in ({}, {"Content-Type": "application/json"}, {"Content-Type": "application/merge-patch+json"}):
        refused = await stranger.post("/clock", content=body, headers=kind)
        assert (refused.status_code, refused.json()["title"]) == (400, "Requête illisible"), kind
    assert (await stranger.post("/clock", content=body, headers={"Content-Type": "text/plain"})).status_code == 400
    assert world.clock.version == before


async def test_every_reply_says_that_it_is_a_mock_s(world: World, stranger: httpx.AsyncClient) -> None:
    for key in ({}, {KEY_HEADER: world.manifest["control_key"]}):
        for method, path in (("GET", "/openapi.json"), ("GET", "/state"), ("GET", "/rien"), ("PUT", "/state")):
            assert (await stranger.request(method, path, headers=key)).headers["X-Socle-Mock"] == "control"
