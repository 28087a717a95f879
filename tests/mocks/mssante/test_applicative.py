"""Applicative mailboxes at the simulated operator: a certificate, then EXTERNAL or PLAIN; each refusal with its twin."""
from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from mocks.mssante.app import MssanteMock
from mocks.sandbox.world import World
from tests.mocks.mssante.bench import APPLICATION, COLLEAGUE, SHARED, Dialogue, certified, dialogue, message, plain
from tests.mocks.mssante.bench import serving as serve


@pytest.fixture
async def smtp(world: World) -> AsyncIterator[Dialogue]:
    async with serve(MssanteMock(world).connected) as port, dialogue(port) as talk:
        yield talk


async def test_only_a_structures_certificate_is_offered_the_mechanisms(world: World, smtp: Dialogue) -> None:
    assert "250 AUTH XOAUTH2 EXTERNAL PLAIN" in await smtp.starttls(certified())
    async with serve(MssanteMock(world).connected) as port, dialogue(port) as without:
        assert "250 AUTH XOAUTH2" in await without.starttls()
        await without.says(f"AUTH PLAIN {plain(APPLICATION)}", "504 5.5.4")
        await without.says("AUTH EXTERNAL =", "504 5.5.4")


@pytest.mark.parametrize(
    "line", [f"AUTH PLAIN {plain(APPLICATION, 'peu importe')}", "AUTH EXTERNAL =", "auth external " +
             base64.b64encode(APPLICATION.encode()).decode()]
)  # fmt: skip
async def test_the_structures_own_mailbox_opens_and_sends(world: World, smtp: Dialogue, line: str) -> None:
    await smtp.starttls(certified())
    await smtp.says(line, "235 2.7.0")
    await smtp.send(message(APPLICATION), "250 2.0.0", COLLEAGUE, sender=APPLICATION)
    assert world.trace.counts()["held"] == {"MSS.SOUMISSION": 1}


async def test_the_response_may_come_after_the_challenge(smtp: Dialogue) -> None:
    await smtp.starttls(certified())
    await smtp.says("AUTH EXTERNAL", "334 ")
    await smtp.says("*", "501 5.7.0")
    await smtp.says("AUTH EXTERNAL", "334 ")
    await smtp.says("", "235 2.7.0")


@pytest.mark.parametrize("mailbox", [SHARED, "inconnue@ehpad-test.mssante.fr"])
async def test_no_other_mailbox_opens_behind_the_certificate(smtp: Dialogue, mailbox: str) -> None:
    await smtp.starttls(certified())
    await smtp.says(f"AUTH PLAIN {plain(mailbox)}", "535 5.7.8")
    await smtp.says(f"AUTH EXTERNAL {base64.b64encode(mailbox.encode()).decode()}", "535 5.7.8")
    await smtp.says("AUTH PLAIN " + base64.b64encode(mailbox.encode()).decode(), "501 5.5.2")
    await smtp.says(f"AUTH PLAIN {plain(APPLICATION)}", 235)


async def test_the_certificate_of_another_structure_opens_nothing(smtp: Dialogue) -> None:
    await smtp.starttls(certified("stranger"))
    await smtp.says(f"AUTH PLAIN {plain(APPLICATION)}", "535 5.7.8")
    await smtp.says("AUTH EXTERNAL =", "535 5.7.8")


async def test_an_operator_may_take_one_of_the_mechanisms_only(world: World) -> None:
    async with serve(MssanteMock(world, applicative=("PLAIN",)).connected) as port, dialogue(port) as smtp:
        assert "250 AUTH XOAUTH2 PLAIN" in await smtp.starttls(certified())
        await smtp.says("AUTH EXTERNAL =", "504 5.5.4")
        await smtp.says(f"AUTH PLAIN {plain(APPLICATION)}", 235)


async def test_the_mailbox_sends_in_its_own_name_only(smtp: Dialogue) -> None:
    await smtp.starttls(certified())
    await smtp.says(f"AUTH PLAIN {plain(APPLICATION)}", 235)
    await smtp.says(f"MAIL FROM:<{SHARED}>", "553 5.7.1")
    await smtp.says(f"MAIL FROM:<{APPLICATION}>", "250 2.1.0")
