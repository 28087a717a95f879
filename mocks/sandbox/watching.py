"""What the routes that show the mocks' state share: how many rows at most, and waiting until there are enough."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from mocks.sandbox.api import Refused
from mocks.sandbox.requests import Requests
from mocks.sandbox.world import Mock

#: A parameter that may be left out; in an address there is no null to describe.
Word = str | SkipJsonSchema[None]

_Row = TypeVar("_Row")
_M = TypeVar("_M")


class Search(BaseModel):
    """Base of a question in the query string; a parameter that is not known is refused: a slip must not show everything."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=1000, description="Nombre de lignes rendues, au plus.")
    at_least: int = Field(0, ge=0, le=100_000, description="Attendre qu'il y en ait au moins autant.")
    wait_s: float = Field(0, ge=0, le=60, allow_inf_nan=False, description="Attendre au plus ce temps, en secondes.")


async def watched(requests: Requests, asked: Search, find: Callable[[], Sequence[_Row]]) -> tuple[list[_Row], int, bool]:
    """The rows, latest first and cut; how many there are in all; whether there are as many as was asked for."""
    found: Sequence[_Row] = ()

    def enough() -> bool:
        nonlocal found
        found = find()
        return len(found) >= asked.at_least

    reached = await requests.until(enough, asked.wait_s)
    return list(reversed(found[-asked.limit :])), len(found), reached


def running(mocks: Mapping[str, Mock], kind: type[_M], name: str) -> _M:
    """The simulated service of this name, if it runs in this process. Raises Refused."""
    mock = mocks.get(name)
    if not isinstance(mock, kind):
        raise Refused(404, f"Le service simulé « {name} » ne tourne pas ici : lancez « socle up » ou « socle mock {name} ».")
    return mock
