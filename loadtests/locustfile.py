"""Locust: one user class per way of working (style §9). Started by ``python -m loadtests load``, which sets the environment.

    SOCLE_LOAD_DATA, SOCLE_LOAD_RUN   the sandbox's data folder and the run folder
    SOCLE_LOAD_SEED, SOCLE_LOAD_CALLS seed of the draws, and how many calls at most
    SOCLE_LOAD_KILLED                 not empty when the gateway will be killed
    SOCLE_PORTS                       ports of the doors
"""
from __future__ import annotations

import itertools
import os
import random
import time
from pathlib import Path
from typing import Any

import orjson
from locust import User, between, events, task
from locust.exception import StopUser

from connectors.wire.clock import SystemClock
from connectors.wire.saml import load_signer
from connectors.wire.tls import client_context
from loadtests import world
from loadtests.calls import HttpCall, Reading
from loadtests.load_report import write_report
from loadtests.sent import SentFile
from loadtests.steady import SteadyHttp, SteadyMail
from loadtests.users.annuaire import AnnuaireUser
from loadtests.users.dmp import DmpUser, Numbers
from loadtests.users.insi import InsiUser
from loadtests.users.mail import MailUser
from loadtests.users.psc import PscUser
from loadtests.world import Person, Professional, Structure

RUN = Path(os.environ["SOCLE_LOAD_RUN"])
WORLD = world.load(Path(os.environ["SOCLE_LOAD_DATA"]))
PORTS: dict[str, int] = orjson.loads(os.environ["SOCLE_PORTS"])
SEED, MOST_CALLS = int(os.environ["SOCLE_LOAD_SEED"]), int(os.environ["SOCLE_LOAD_CALLS"])
SENT, CLOCK, NUMBERS = SentFile(RUN), SystemClock(), Numbers(SEED)
BEGAN = time.monotonic()

_TOKEN_S = 60.0  # half of a token's life
_MESSAGES = 5  # of one SMTP session
_numbers = itertools.count(1)
_stopping: list[bool] = []


def _stop(**_kept: Any) -> None:
    """No call begins any more. Locust kills a user whose pause ends as the test does: it must have nothing under way."""
    _stopping.append(True)


def _report(environment: Any, **_kept: Any) -> None:
    SENT.close()
    write_report(RUN, SENT, time.monotonic() - BEGAN, killed=bool(os.environ["SOCLE_LOAD_KILLED"]))
    environment.process_exit_code = 0  # refused calls are judged by the thresholds, not by Locust


events.test_stopping.add_listener(_stop)  # type: ignore[no-untyped-call]
events.quitting.add_listener(_report)  # type: ignore[no-untyped-call]


class EssmsUser(User):
    """What every user has: an ESSMS, a professional, doors. Not a user by itself."""

    abstract = True
    wait_time = between(0.05, 0.25)

    def on_start(self) -> None:
        self.number = next(_numbers)
        self.draw = random.Random(f"load:{SEED}:{self.number}")
        self.structure: Structure = WORLD.structures[self.number % len(WORLD.structures)]
        self.author: Professional = self.draw.choice(
            [one for one in WORLD.staff(self.structure.finess_et) if self.structure.mailboxes[0] in one.may_open]
        )
        self.people: list[Person] = [one for one in WORLD.of(self.structure.finess_et) if one.can_be_fed]
        self.doors: dict[str, SteadyHttp] = {}
        self._token: tuple[float, str] | None = None

    def on_stop(self) -> None:
        for door in self.doors.values():
            door.close()

    def call(self, call: HttpCall) -> Reading:
        """Send one call; Locust's own statistics follow."""
        self.may_send(1)
        began = time.perf_counter()
        reading = self._door(call.door).send(call)
        took_ms = (time.perf_counter() - began) * 1000
        self._fire(call.operation, took_ms, reading)
        return reading

    def may_send(self, number: int) -> None:
        """Raise StopUser when the test is over, or when this would be more calls than asked for."""
        if _stopping or sum(SENT.sent.values()) + number > MOST_CALLS:
            raise StopUser

    def token(self) -> str | None:
        """A PSC access token of less than a minute; None when the login does not succeed."""
        if self._token is None or time.monotonic() - self._token[0] > _TOKEN_S:
            psc = PscUser(WORLD, self.author, self.draw)
            call, verifier = psc.authorize()
            page = self.call(call)
            code = self.call(psc.login(page.value)) if page.ok else page
            token = self.call(psc.token(code.value, verifier)) if code.ok else code
            self._token = (time.monotonic(), str(token.value)) if token.ok else None
        return None if self._token is None else self._token[1]

    def forget_token(self) -> None:
        self._token = None

    def _fire(self, name: str, took_ms: float, reading: Reading) -> None:
        error = None if reading.ok else RuntimeError(reading.why)
        events.request.fire(  # type: ignore[no-untyped-call]
            request_type=name.partition(".")[0], name=name, response_time=took_ms, response_length=0, exception=error, context={}
        )

    def _door(self, name: str) -> SteadyHttp:
        if name not in self.doors:
            mutual = self.structure.auth_cli if name in ("insi", "dmp") else None
            context = client_context(
                WORLD.ca, cert=mutual.cert if mutual else None, key=mutual.key if mutual else None,
                profile="dmp" if name == "dmp" else "standard",
            )  # fmt: skip
            self.doors[name] = SteadyHttp(PORTS[name], context, SENT)
        return self.doors[name]


class Identity(EssmsUser):
    """Looks INS up by traits, over SOAP and mutual TLS."""

    weight = 3

    @task
    def search(self) -> None:
        self.call(InsiUser(WORLD, self.structure, CLOCK).search(self.draw.choice(self.people)))


class Feeding(EssmsUser):
    """Feeds DMPs: existence, then the document."""

    weight = 3

    def on_start(self) -> None:
        super().on_start()
        self.signer = load_signer(self.structure.sign.cert, self.structure.sign.key)

    @task
    def feed(self) -> None:
        dmp, person = DmpUser(WORLD, self.structure, self.author, self.signer, CLOCK, NUMBERS), self.draw.choice(self.people)
        if self.call(dmp.existence(person)).value == "open":
            self.call(dmp.feed(person))


class Writing(EssmsUser):
    """Writes from the ESSMS's mailbox: a few messages a session."""

    weight = 2

    def on_start(self) -> None:
        super().on_start()
        self.door = SteadyMail(PORTS["smtp"], client_context(WORLD.ca), SENT)

    @task
    def write(self) -> None:
        token = self.token()
        if token is None:
            return
        mail = MailUser(WORLD, self.structure, self.author, CLOCK)
        others = [one for one in WORLD.professionals if one.structure != self.structure.finess_et]
        people = [self.draw.choice(self.people) for _ in range(_MESSAGES)]
        messages = [mail.message(mail.recipient(one, "pro", others), f"charge.{SEED}.{next(_numbers)}") for one in people]
        self.may_send(1 + _MESSAGES)
        began = time.perf_counter()
        readings = self.door.session(mail.mailbox, token, messages)
        took_ms = (time.perf_counter() - began) * 1000 / _MESSAGES
        for reading in readings:
            self._fire("MSS.SOUMISSION", took_ms, reading)


class Login(EssmsUser):
    """Logs in with Pro Santé Connect, as a professional does in the morning."""

    weight = 1

    @task
    def login(self) -> None:
        self.forget_token()
        token = self.token()
        if token is not None:
            self.call(PscUser(WORLD, self.author, self.draw).userinfo(token))


class Directory(EssmsUser):
    """Looks professionals up in the Annuaire."""

    weight = 1

    @task
    def look_up(self) -> None:
        annuaire, one = AnnuaireUser(WORLD), self.draw.choice(WORLD.professionals)
        self.call(annuaire.professional(one) if self.draw.random() < 0.5 else annuaire.mailbox(one))
