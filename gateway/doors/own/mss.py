"""``POST /mss/messages``: a text message in, one submission to the MSSanté operator, its word for each recipient out.

The submission is the mail door's own (``Submissions``): intent, doubts, attribution and counting are the same, and a DSN is
asked. The gateway opens the operator's session for it, which is journalled as a session like any other.
Source: reference mssante §5.2 (sequence), §5.3 (token), §7 (message), §11.1 (receipt).
"""
from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, field_validator

from connectors.mssante.codes import AUTH_CODES, Reply
from connectors.mssante.messages import Draft, Outgoing, build_message
from connectors.nomenclatures.mssante import domain_of, is_address, normalise
from connectors.wire.http import Answer
from gateway.doors.mail import replies
from gateway.doors.mail.commands import Bearer, bearer_of
from gateway.doors.mail.session import Session
from gateway.doors.mail.smtp import SmtpDoor
from gateway.doors.mail.submissions import ContentRefused, Submissions, WithoutOperator
from gateway.doors.mail.upstream import Answer as Said
from gateway.doors.mail.upstream import Lost, NotReady, Upstream
from gateway.doors.own import once, problem
from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.fields import Line
from gateway.doors.own.problem import IN_DOUBT, Refused
from gateway.doors.own.problem import Reply as Told
from gateway.journal.record import Record
from gateway.road import Passed

TOKEN_HEADER = "x-psc-token"  # noqa: S105 a header's name
_MAX_RECIPIENTS = 50
_HELLO = b"EHLO passerelle.socle.invalid"
_END = b"\r\n.\r\n"
_NOT_SENT = "L'opérateur MSSanté n'a pas pris le message : rien n'est parti. Renvoyez plus tard avec la même clé."
_TOKEN = "Donnez dans X-PSC-Token un jeton d'accès Pro Santé Connect valide, d'un professionnel qui peut ouvrir cette BAL."  # noqa: S105
_FULL = "Le journal n'a plus de place : rien n'a été transmis. Renouvelez l'appel plus tard."

Address = Annotated[str, Field(min_length=3, max_length=254)]


class Letter(Message):
    """A text message from a mailbox of the structure."""

    bal: Address = Field(description="BAL émettrice, d'une structure de votre clé.")
    destinataires: list[Address] = Field(min_length=1, max_length=_MAX_RECIPIENTS)
    objet: Line = Field(min_length=1, max_length=200)
    texte: str = Field(min_length=1, max_length=200_000)
    libelle: Line | None = Field(None, max_length=100, description="À défaut, le nom de la structure.")
    accuse_lecture: bool = Field(False, description="Demander un accusé de lecture (MDN).")
    sans_reponse: bool = Field(False, description="À un usager : aucune réponse attendue.")

    @field_validator("bal")
    @classmethod
    def _is_one(cls, text: str) -> str:
        return _address(text)

    @field_validator("destinataires")
    @classmethod
    def _are_addresses(cls, texts: list[str]) -> list[str]:
        return list(dict.fromkeys(_address(text) for text in texts))  # twice the same address is one delivery


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("adresse MSSanté attendue")
    return normalise(text)


@dataclass(slots=True)
class _Typed:
    """The content as a DUI would type it after DATA: dots stuffed, end of data last."""

    content: bytes = field(repr=False)

    async def send(self, data: bytes, timeout_s: float) -> None:
        """The operator's 354 has nobody to go to."""

    async def chunk(self, timeout_s: float) -> bytes:
        body = self.content.removesuffix(b"\r\n")
        stuffed = (b"." if body.startswith(b".") else b"") + body.replace(b"\r\n.", b"\r\n..")
        return stuffed + _END

    def put_back(self, rest: bytes) -> None:
        """Nothing comes behind the end of data."""


@dataclass(slots=True)
class _Sending:
    """One message on its way: what the operator said of each recipient, and the last word."""

    door: SmtpDoor
    call: OwnCall[Letter]
    session: Session
    recipients: list[Reply] = field(default_factory=list)
    awaited: bool = False  # the connection is kept by the mail door, for the operator's late answer

    async def run(self, outgoing: Outgoing, token: str) -> None:
        """Raises Refused while the operator has no MAIL; from then on the mail door writes the entry."""
        operator = await self._open()
        try:
            offers = await self._login(operator, outgoing.sender, token)
            await self._submit(operator, outgoing, offers)
        finally:
            if not self.awaited:
                await operator.close()

    async def _open(self) -> Upstream:
        try:
            operator, greeting = await Upstream.open(self.door.upstream, self.door.client_tls, self.door.deadline_s)
        except NotReady as refused:
            self.session.greeted(refused.answer)
            raise Refused("indisponible", _NOT_SENT, code=refused.answer.reply.service_code) from refused
        except Lost as lost:
            self.session.unreachable(lost, replies.NO_OPERATOR, self.door.touched(lost))
            raise Refused("reseau", _NOT_SENT) from lost
        self.session.greeted(greeting)
        self.session.record.injected(self.door.heard(Reply(250, operator.offered)))
        return operator

    async def _login(self, operator: Upstream, mailbox: str, token: str) -> tuple[str, ...]:
        """EHLO, then AUTH with the bearer's token; the operator's EHLO list."""
        response = _sasl(mailbox, token)
        try:
            hello = await operator.command(_HELLO)
            answer = await operator.command(b"AUTH XOAUTH2 " + response)
            if answer.reply.code == 334:  # a refusal is a challenge first (mssante §5.3)
                answer = await operator.command(b"")
        except Lost as lost:
            self.session.lost(lost, self.door.touched(lost))
            raise Refused("reseau", _NOT_SENT) from lost
        self.door.heard(answer.reply)
        self.session.authenticated(self.door.access.by_mailbox(mailbox), bearer_of(response), answer)
        if not answer.reply.positive:
            slug = "jeton-psc" if answer.reply.code in AUTH_CODES else "indisponible"
            raise Refused(slug, _TOKEN if slug == "jeton-psc" else _NOT_SENT, code=answer.reply.service_code)
        return hello.reply.lines

    async def _submit(self, operator: Upstream, outgoing: Outgoing, offers: tuple[str, ...]) -> None:
        submissions = Submissions(self.door, _Typed(outgoing.content), lambda _operation: self.call.record)
        professional = self.session.record.professional
        submissions.bearer = Bearer(outgoing.sender, None if professional is None else professional.value)
        submissions.declare(offers)
        dsn = any(line.upper().split()[:1] == ["DSN"] for line in offers)
        try:
            await self._envelope(submissions, operator, outgoing, dsn=dsn)
            if any(reply.positive for reply in self.recipients):
                await submissions.data(b"DATA", operator)
            await submissions.abandon()
            self.session.quit(await operator.command(b"QUIT"))
        except Lost as lost:
            await submissions.lost(lost)
            self.session.lost(lost, lost.fault or self.door.touched(lost))
        except ContentRefused as refused:
            self.session.invalid(refused.flag, refused.reply)
        except WithoutOperator as told:
            self.awaited = told.awaited
            if told.lost is not None:
                self.session.lost(told.lost, told.fault)

    async def _envelope(self, submissions: Submissions, operator: Upstream, outgoing: Outgoing, *, dsn: bool) -> None:
        await submissions.mail(_line(f"MAIL FROM:<{outgoing.sender}>", outgoing.mail_options if dsn else ()), operator)
        if not submissions.busy:
            return
        for address in outgoing.recipients:
            options = outgoing.rcpt_options(address) if dsn else ()
            answer: Said = await submissions.rcpt(_line(f"RCPT TO:<{address}>", options), operator)
            self.recipients.append(answer.reply)


@dataclass(frozen=True, slots=True)
class LetterDoor:
    """``smtp`` is the mail door, whose operator, deadlines and journal these messages share."""

    smtp: SmtpDoor

    operation = "MSS.SOUMISSION"
    model = Letter

    def named(self, message: Letter, name: bytes) -> dict[str, str]:
        """The Message-ID that this key gives."""
        return {"message_id": f"<{_reference(name)}@{domain_of(message.bal)}>"}

    async def act(self, call: OwnCall[Letter]) -> Passed:
        """One submission and one session; the mail door writes the submission's entry once the operator has a MAIL."""
        token = call.request.header(TOKEN_HEADER)
        caller = self.smtp.access.by_mailbox(call.message.bal)
        if caller.finess_et != call.message.finess_et or caller.tenant != call.record.tenant:
            raise Refused("structure", "Cette BAL n'est pas de la structure : émettez de l'une des siennes.")
        if call.record.dui.nil is None:
            raise Refused("identite", "Votre logiciel n'a pas de NIL déposé : un message MSSanté en porte toujours un.")
        if not token or not token.isascii() or not token.isprintable():
            raise Refused("jeton-psc", _TOKEN)
        record, outgoing = call.record, self._outgoing(call)
        record.bodies.clear()  # the operation keeps none
        sending = _Sending(self.smtp, call, Session(self.smtp.record("MSS.SESSION_SMTP"), "passerelle"))
        if record.claim is not None:
            record.claim.tell = lambda record: _keep(self._told(sending, record), record)
        try:
            await sending.run(outgoing, token.strip())
        finally:
            await self._close(sending.session)
        return Passed(self._told(sending, record), closed=True)

    async def _close(self, session: Session) -> None:
        if session.record.exchanges or session.record.flags:
            if self.smtp.observer is not None:
                self.smtp.observer.note(session.record, session.facts())
            session.record.event_time = self.smtp.clock.business()
            await self.smtp.close(session.record)

    def _outgoing(self, call: OwnCall[Letter]) -> Outgoing:
        letter, nil = call.message, call.record.dui.nil
        draft = Draft(
            sender=letter.bal, label=letter.libelle or call.structure.name, recipients=tuple(letter.destinataires),
            subject=letter.objet, text=letter.texte, nil=nil or "", reference=_reference(call.name),
            date=self.smtp.clock.business(), ask_reading=letter.accuse_lecture, no_answer=letter.sans_reponse,
        )  # fmt: skip
        return build_message(draft, ask_delivery=True)

    def _told(self, sending: _Sending, record: Record) -> Answer:
        """The answer for a finished record, and the same for whoever comes back with the key."""
        said = _recipients(sending.recipients)
        if record.outcome == "ok":
            named = self.named(sending.call.message, sending.call.name)
            content = {"statut": "accepte", **named, "code_service": record.service_code, "destinataires": said}
            return Told(201, content).answer(record.id)
        slug, detail = _REFUSALS.get(str(record.outcome), ("indisponible", _NOT_SENT))
        if slug == "delai" and "G-DELAI" not in record.flags:
            slug = "perdue"
        if "G-PLEIN" in record.flags:
            slug, detail = "plein", _FULL
        return problem.refuse(Refused(slug, detail, code=record.service_code, destinataires=said), record)


_REFUSALS = {
    "refused": ("refus", "L'opérateur refuse le message : aucun destinataire n'est accepté, ou le contenu ne l'est pas."),
    "unauthorised": ("jeton-psc", _TOKEN),
    "invalid": ("service-invalide", "L'opérateur n'a pas compris le message de la passerelle ; rien n'est parti."),
    "in_doubt": ("delai", IN_DOUBT),
}


def _keep(answer: Answer, record: Record) -> bytes | None:
    return once.kept(answer) if record.outcome in ("ok", "refused") else None


def _sasl(mailbox: str, token: str) -> bytes:
    return base64.b64encode(f"user={mailbox}\x01auth=Bearer {token}\x01\x01".encode("ascii"))


def _recipients(said: list[Reply]) -> list[dict[str, Any]]:
    """By rank in the request: an address may hold a matricule, and this answer is kept."""
    return [{"rang": rank, "accepte": reply.positive, "code": reply.service_code} for rank, reply in enumerate(said, 1)]


def _line(command: str, options: tuple[str, ...]) -> bytes:
    return " ".join([command, *options]).encode("ascii")


def _reference(name: bytes) -> str:
    return f"socle.{name[:16].hex()}"
