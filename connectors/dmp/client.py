"""The DMP as functions: TD0.2, TD2.1, TD3.1b in INDIRECTE mode (reference dmp §2, §5).

``existence_call``, ``feed_call`` and ``lookup_call`` are pure: they make the request. ``DmpClient`` sends it over an
injected transport. ``DmpAsker`` is what settlement asks when an answer to TD2.1 was lost (design §5.3).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

import orjson

from connectors.dmp import messages, metadata
from connectors.dmp.errors import DmpError, DmpUnreadable
from connectors.dmp.messages import Existence, Found, Lps, RegistryAnswer
from connectors.dmp.metadata import Submission
from connectors.nomenclatures import xds
from connectors.wire import cda, mtom, saml, soap
from connectors.wire.clock import Clock
from connectors.wire.http import Answer, Headers, UpstreamError
from connectors.wire.saml import Role, Signer, Vihf

BASE_PATH = "/si-dmp-server/v2/services/"
#: Role of a software that acts by itself: settlement asks under this one (§4.2, A00).
AUTOMATE = Role("AUTOMATE", "1.2.250.1.213.1.1.4.6", "Automate")

_LOGGED_IN_FOR = timedelta(minutes=5)
_DOCUMENT_CID = "document01@dui"


class Transport(Protocol):
    """What ``connectors.wire.http.Client`` offers, over mutual TLS with the structure's AUTH_CLI certificate."""

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, inside the structure that signs: ``name_id`` is a PS_IdNat, ``sector`` a SAxx code."""

    name_id: str = field(repr=False)
    name: str = field(repr=False)
    role: Role
    struct_id: str
    sector: str


@dataclass(frozen=True, slots=True)
class DmpCall:
    """One POST, ready to leave. ``endpoint`` comes after BASE_PATH."""

    endpoint: str
    headers: Headers
    body: bytes = field(repr=False)


def vihf_of(user: User, lps: Lps, matricule: str | None, oid: str) -> Vihf:
    return Vihf(
        name_id=user.name_id, subject_name=user.name, struct_id=user.struct_id, sector=user.sector, roles=(user.role,),
        lps_name=lps.name, lps_version=lps.version, lps_homologation=lps.homologation, matricule=matricule, oid=oid,
    )  # fmt: skip


def existence_call(matricule: str, oid: str, vihf: Vihf, signer: Signer, lps: Lps, *, at: datetime) -> DmpCall:
    """TD0.2. ``at`` is protocol time."""
    body = messages.existence_request(matricule, oid, lps, at=at)
    return _plain("patients", xds.ACTION_EXISTENCE, messages.frame(body, _sign(vihf, signer, at), action=xds.ACTION_EXISTENCE))


def lookup_call(unique_ids: Sequence[str], vihf: Vihf, signer: Signer, *, at: datetime) -> DmpCall:
    """TD3.1b: which of these documents does the registry hold?"""
    body = messages.lookup_request(unique_ids)
    return _plain("registry", xds.ACTION_QUERY, messages.frame(body, _sign(vihf, signer, at), action=xds.ACTION_QUERY))


def feed_call(submission: Submission, vihf: Vihf, signer: Signer, *, at: datetime) -> DmpCall:
    """TD2.1: the set and its CDA, in MTOM. Raises KeyError or ValueError when the document may not go to the DMP."""
    document = cda.build(submission.document, submission.patient, submission.author, submission.structure)
    body = metadata.provide_and_register(submission, content_id=_DOCUMENT_CID)
    root = messages.frame(body, _sign(vihf, signer, at), action=xds.ACTION_FEED)
    attachment = mtom.Attachment(_DOCUMENT_CID, "text/xml", document)
    content_type, payload = mtom.build(root, [attachment], action=xds.ACTION_FEED)
    return DmpCall("repository", [(b"content-type", content_type.encode("ascii"))], payload)


class DmpClient:
    """Sends calls to one SI DMP. ``base_url`` is the base of its services: up to and with BASE_PATH (§2.2). No state."""

    def __init__(self, base_url: str, transport: Transport, *, timeout_s: float = 30.0) -> None:
        self._base = base_url.rstrip("/") + "/"
        self._transport = transport
        self._timeout_s = timeout_s

    async def existence(self, call: DmpCall) -> Existence:
        """Raises UpstreamError, DmpFault, DmpUnreadable, like the two others."""
        answer = await self._send(call)
        if not isinstance(answer, Existence):
            raise DmpUnreadable("not-an-existence-answer")
        return answer

    async def feed(self, call: DmpCall) -> RegistryAnswer:
        answer = await self._send(call)
        if not isinstance(answer, RegistryAnswer):
            raise DmpUnreadable("not-a-registry-answer")
        return answer

    async def lookup(self, call: DmpCall) -> Found:
        answer = await self._send(call)
        if not isinstance(answer, Found):
            raise DmpUnreadable("not-a-query-answer")
        return answer

    async def _send(self, call: DmpCall) -> messages.Answer:
        received = await self._transport.send(
            "POST", self._base + call.endpoint, headers=call.headers, body=call.body, timeout_s=self._timeout_s
        )
        return messages.read_answer(received.header("content-type"), received.body)


@dataclass(frozen=True, slots=True)
class Deposited:
    """What a structure left with the gateway so that it may ask in its name."""

    transport: Transport
    signer: Signer
    sector: str


@dataclass(frozen=True, slots=True)
class DmpAsker:
    """Asks by TD3.1b whether the documents of a lost TD2.1 are in the DMP (design §5.3).

    base_url   as for ``DmpClient``
    deposited  the AUTH_CLI transport and SIGN key of a structure (by struct_id), None when it left nothing; called once
               per structure: a connection is kept, and reading a key costs more than signing with it
    """

    base_url: str
    clock: Clock
    lps: Lps
    deposited: Callable[[str], Deposited | None]
    _kept: dict[str, Deposited] = field(default_factory=dict, repr=False)

    async def ask(self, blob: bytes) -> Literal["found", "not_found", "unknown"]:
        """``blob``: JSON {"matricule", "oid", "unique_ids", "struct_id"}. Never raises: what cannot be learnt is unknown."""
        question = orjson.loads(blob)
        struct_id = question["struct_id"]
        identity = self._identity(struct_id)
        if identity is None or not question["unique_ids"] or question["matricule"] is None:
            return "unknown"
        user = User(f"3{struct_id[1:]}/passerelle", f"{self.lps.name} {self.lps.version}", AUTOMATE, struct_id, identity.sector)
        vihf = vihf_of(user, self.lps, question["matricule"], question["oid"])
        call = lookup_call(question["unique_ids"], vihf, identity.signer, at=self.clock.real())
        try:
            found = await DmpClient(self.base_url, identity.transport).lookup(call)
        except (UpstreamError, DmpError):
            return "unknown"
        if not found.answer.success:
            return "unknown"
        if not found.entries:
            return "not_found"
        # A set is registered whole or not at all (§9.3): fewer answers than documents would be neither.
        return "found" if len(found.entries) == len(question["unique_ids"]) else "unknown"

    def forget(self) -> None:
        """What structures left has changed: ask for it again."""
        self._kept.clear()

    def _identity(self, struct_id: str) -> Deposited | None:
        if struct_id not in self._kept:
            found = self.deposited(struct_id)
            if found is None:
                return None
            self._kept[struct_id] = found
        return self._kept[struct_id]


def _plain(endpoint: str, action: str, body: bytes) -> DmpCall:
    return DmpCall(endpoint, [(b"content-type", soap.content_type(action).encode("ascii"))], body)


def _sign(vihf: Vihf, signer: Signer, at: datetime) -> saml.Element:
    return saml.assertion(vihf, signer, at=at, logged_in_at=at - _LOGGED_IN_FOR)
