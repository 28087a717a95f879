"""Sends a DUI's calls to the gateway's doors, each counted before its bytes leave. asyncio; Locust has its own sender."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from connectors.mssante.client import Operator, SubmissionClient
from connectors.mssante.errors import InDoubt, Refused, TokenRefused, Unavailable
from connectors.mssante.messages import Outgoing
from connectors.wire.http import Client, UpstreamError
from connectors.wire.tls import Profile, client_context
from loadtests import calls, failures
from loadtests.calls import HttpCall, Reading
from loadtests.sent import SentFile
from loadtests.users.mail import SESSION, SUBMISSION, read_reply, read_submission, unit_of
from loadtests.world import Structure, World

#: TLS profile of each door, and whether it asks for the structure's certificate (design §8).
_MUTUAL: dict[str, Profile] = {"insi": "standard", "dmp": "dmp"}
_PATIENCE_S = 90.0


@dataclass(slots=True)
class Doors:
    """``ports`` of every listener; ``slots`` bounds the calls under way, whatever the number of players."""

    world: World
    ports: dict[str, int]
    sent: SentFile
    slots: asyncio.Semaphore
    _clients: dict[tuple[str, str], Client] = field(default_factory=dict)

    async def send(self, call: HttpCall, structure: Structure | None = None) -> Reading:
        """One call, with the structure's certificate where the door wants one. Never retried."""
        client = self._client(call.door, structure)
        url = f"https://localhost:{self.ports[call.door]}{call.target}"
        async with self.slots:
            with self.sent.call(call.operation, call.unit, len(call.body)) as sent:
                try:
                    answer = await client.send(call.method, url, headers=call.headers, body=call.body, timeout_s=_PATIENCE_S)
                except UpstreamError as error:
                    self.sent.lost(failures.NO_ANSWER)
                    return Reading(error.reason, failures.NO_ANSWER)
                reading = calls.read(call, answer)
                sent.read(reading.code, reading.why)
        return reading

    def mail(self, mailbox: str, token: str) -> MailSession:
        """A session on the SMTP door, to be used with ``async with``."""
        operator = Operator("localhost", self.ports["smtp"], client_context(self.world.ca), timeout_s=_PATIENCE_S)
        return MailSession(self, SubmissionClient(operator, mailbox, token))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    def _client(self, door: str, structure: Structure | None) -> Client:
        profile = _MUTUAL.get(door)
        key = (profile or "", structure.finess_et if structure and profile else "")
        if key not in self._clients:
            pem = structure.auth_cli if structure and profile else None
            context = client_context(
                self.world.ca, cert=pem.cert if pem else None, key=pem.key if pem else None, profile=profile or "standard"
            )
            self._clients[key] = Client(context)
        return self._clients[key]


@dataclass(slots=True)
class MailSession:
    """One SMTP session: a call of its own, and one more for each message submitted in it."""

    doors: Doors
    client: SubmissionClient

    async def run(self, messages: list[Outgoing]) -> list[Reading]:
        """Open, submit one after the other, say goodbye. A refused token is the session's answer; no message is sent then."""
        readings: list[Reading] = []
        sent = self.doors.sent
        with sent.call(SESSION) as session:
            try:
                async with self.doors.slots:
                    await self.client.open()
                for message in messages:
                    readings.append(await self._submit(message))
                await self.client.close()
                session.read("221")
            except TokenRefused as refused:
                await self.client.close()
                session.read(refused.reply.service_code, failures.EXPIRED_TOKEN)
            except (Refused, Unavailable, InDoubt):
                await self.client.close()
                sent.lost(failures.NO_ANSWER)
        return readings

    async def _submit(self, message: Outgoing) -> Reading:
        sent = self.doors.sent
        async with self.doors.slots:
            with sent.call(SUBMISSION, unit_of(message), len(message.content)) as call:
                try:
                    reading = read_submission(await self.client.submit(message))
                except (InDoubt, Unavailable):
                    sent.lost(failures.NO_ANSWER)
                    raise
                except Refused as refused:
                    reading = read_reply(refused.stage, refused.reply)
                call.read(reading.code, reading.why)
        return reading
