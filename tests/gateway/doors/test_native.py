"""What a native door sends back: the service's own headers, one Date, a length that speaks of this body."""
from __future__ import annotations

from typing import Any

import pytest

from connectors.wire.http import Answer, Headers
from gateway.doors.native import send_answer
from gateway.road import Request


async def sent(answer: Answer, method: str = "POST") -> Headers:
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await send_answer(send, Request("dmp", method, "/", [], b""), answer)
    headers: Headers = messages[0]["headers"]
    return headers


def values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


async def test_the_date_of_the_service_is_the_only_one() -> None:
    theirs = b"Sun, 01 Nov 2026 08:00:00 GMT"
    assert values(await sent(Answer(200, [(b"Date", theirs)], b"x")), b"date") == [theirs]


async def test_an_answer_of_the_gateways_own_is_dated() -> None:
    [date] = values(await sent(Answer(503, [], b"x")), b"date")
    assert date.endswith(b" GMT")


@pytest.mark.parametrize(("method", "status", "length"), [("POST", 200, [b"1"]), ("HEAD", 200, []), ("POST", 204, [])])
async def test_a_length_is_given_only_with_a_body(method: str, status: int, length: list[bytes]) -> None:
    assert values(await sent(Answer(status, [(b"content-length", b"99")], b"x"), method), b"content-length") == length
