"""Messages that a DUI submits: text without archive, and what goes with them in the envelope.

Source: reference mssante §7.1 (headers), §7.3 (body), §7.4 (X-MSS), §11.1 (receipt asked by SMTP). Deterministic: the date
and the identifier are given, never drawn here.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from connectors.nomenclatures.mssante import MES_HEADER, NIL_HEADER, domain_of, is_address, is_nil


@dataclass(frozen=True, slots=True)
class Draft:
    """A text message before it is written.

    label       who the sender is, as ``personal_label`` or the name of the functional entity (ECO.2.2.7)
    reference   unique in the sender's domain; gives the Message-ID
    date        aware datetime of the submission
    """

    sender: str
    label: str
    recipients: tuple[str, ...] = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    nil: str
    reference: str
    date: datetime
    ask_reading: bool = False  # an MDN, ECO.2.3.2
    no_answer: bool = False  # to a usager, ECO.2.2.8
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Bytes ready to submit, with their envelope. ``mail_options`` and ``rcpt_options`` hold the DSN request, if any."""

    sender: str
    recipients: tuple[str, ...] = field(repr=False)
    message_id: str
    content: bytes = field(repr=False)
    mail_options: tuple[str, ...] = ()
    ask_delivery: bool = False

    def rcpt_options(self, recipient: str) -> tuple[str, ...]:
        """Parameters of this recipient's RCPT (RFC 3461 §4)."""
        return ("NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{xtext(recipient)}") if self.ask_delivery else ()


def build_message(draft: Draft, *, ask_delivery: bool = False) -> Outgoing:
    """Write the message once, in CRLF bytes. Raises ValueError when an address or the NIL cannot be one."""
    for address in (draft.sender, *draft.recipients):
        if not is_address(address):
            raise ValueError("not an MSSanté address")
    if not is_nil(draft.nil):
        raise ValueError("not a product reference (NIL)")
    message_id = f"<{draft.reference}@{domain_of(draft.sender)}>"
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_datetime(draft.date)
    message["From"] = Address(draft.label, addr_spec=draft.sender)
    message["To"] = tuple(Address(addr_spec=recipient) for recipient in draft.recipients)
    if draft.reply_to is not None:
        message["Reply-To"] = Address(addr_spec=draft.reply_to)
    message["Message-ID"] = message_id
    message["Subject"] = draft.subject
    if draft.ask_reading:
        message["Disposition-Notification-To"] = draft.sender
    message[NIL_HEADER] = draft.nil
    if draft.no_answer:
        message[MES_HEADER] = "FIN"
    message.set_content(draft.text, charset="utf-8", cte="quoted-printable")
    options = ("RET=HDRS", f"ENVID={xtext(draft.reference)}") if ask_delivery else ()
    return Outgoing(draft.sender, draft.recipients, message_id, message.as_bytes(), options, ask_delivery)


def personal_label(given: str, family: str, *, title: str = "", entity: str = "") -> str:
    """Label of a personal mailbox: underscores between fields, family name in capitals (ECO.2.2.7)."""
    return "_".join(part for part in (title, given, family.upper(), entity) if part)


def xtext(text: str) -> str:
    """RFC 3461 §4: printable ASCII but ``+`` and ``=``; the rest as ``+HH``."""
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte not in b"+=" else f"+{byte:02X}" for byte in text.encode("utf-8")
    )
