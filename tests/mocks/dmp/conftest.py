"""A real sandbox, made once; a mock over a state of its own, called without a socket."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.dmp.client import BASE_PATH, DmpCall
from connectors.dmp.errors import DmpFault
from connectors.dmp.messages import Answer, read_answer
from mocks.dmp.app import DmpMock
from mocks.sandbox.build import init
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import Dui


@pytest.fixture(scope="session")
def made_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dmp-sandbox")
    init(folder, persons=12)
    return folder


@pytest.fixture
def world(made_sandbox: Path, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "sandbox").symlink_to(made_sandbox / "sandbox")  # read only: what a mock writes is beside it
    made = World.load(tmp_path)
    yield made
    made.trace.close()


@pytest.fixture
def dui(world: World) -> Dui:
    """The first structure and one of its persons whose DMP is open."""
    return dui_of(world, "active")


@pytest.fixture
def person_with(world: World) -> Callable[[str], Dui]:
    return lambda status: dui_of(world, status)


def dui_of(world: World, status: str) -> Dui:
    person = next(row for row in world.population.persons() if row["dmp"] == status)
    return Dui((world.data / "sandbox").resolve(), world.manifest["structures"][0], person)


@dataclass
class Dmp:
    """The mock behind its ASGI application. Sleeps are written down, not slept."""

    mock: DmpMock
    slept: list[float]

    async def post(self, call: DmpCall, *, method: str = "POST") -> httpx.Response:
        transport = httpx.ASGITransport(self.mock.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://dmp.test") as client:
            headers = [(key.decode(), value.decode()) for key, value in call.headers]
            return await client.request(method, BASE_PATH + call.endpoint, headers=headers, content=call.body)

    async def ask(self, call: DmpCall) -> Answer:
        response = await self.post(call)
        return read_answer(response.headers.get("content-type"), response.content)

    async def refusal(self, call: DmpCall) -> DmpFault:
        """The fault that this call gets; fails when it gets an answer."""
        response = await self.post(call)
        try:
            answer = read_answer(response.headers.get("content-type"), response.content)
        except DmpFault as fault:
            assert response.status_code == 500
            return fault
        raise AssertionError(f"no fault, but {answer}")


@pytest.fixture
def mock_with(world: World) -> Callable[..., Dmp]:
    """The mock under a policy: keys of the manifest's ``dmp`` object."""

    def make(**policy: Any) -> Dmp:
        world.manifest["dmp"] = policy
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        return Dmp(DmpMock(world, sleep=sleep), slept)

    return make


@pytest.fixture
def dmp(mock_with: Callable[..., Dmp]) -> Dmp:
    return mock_with()
