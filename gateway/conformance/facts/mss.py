"""Facts of a message submitted to MSSanté and of a SMTP session (reference mssante §5, §7, §8)."""
from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Mail
from email.parser import BytesParser

from connectors.nomenclatures.mssante import (
    CODECDA_HEADER,
    INS_HEADER,
    NIL_HEADER,
    domain_of,
    is_address,
    is_nil,
    is_usager,
    normalise,
    usager_matricule,
)
from gateway.conformance.facts.cda import code_digest, pdf_kind
from gateway.conformance.facts.classes import class_of
from gateway.conformance.facts.identity import OTHER, traits_facts
from gateway.conformance.facts.places import (
    ATTACHMENTS,
    IDENTITIES,
    MESSAGE_ID,
    RCPT_TO,
    SUBJECT,
    X_MSS_CODECDA,
    X_MSS_INS,
    X_MSS_NIL,
)
from gateway.conformance.facts.xdm import archive_facts
from gateway.conformance.model import Eyes, FactValues, Made, Message

MAX_PARTS = 32
MAX_RECIPIENTS = 100
_MOST_GROUPS = 80  # of words of a subject, compared with a name
_NAMES = ("birth_name", "first_name")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+|\[[^\[\]\\\s]+\])>")
_SUBJECT = re.compile(
    r"(?:\[Annule et remplace\]\s*)?XDM/1\.0/DDM\+(?:\[Annule et remplace\]\s*)?(?P<rest>.+)", re.IGNORECASE
)
_BIRTH_DATE = re.compile(r"(?:0[1-9]|[12][0-9]|3[01])/(?:0[1-9]|1[0-2])/[0-9]{4}")
_MATRICULE = re.compile(r"(?<![0-9A-Za-z])[1-478][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{8}(?![0-9A-Za-z])")
_DOCUMENT_TYPES = frozenset({"application/zip", "application/x-zip-compressed", "application/pdf", "text/xml", "application/xml"})

_DOCUMENT_NAMES = (".zip", ".pdf", ".xml")


def submission_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """Facts of the envelope always; of the message when it was kept whole."""
    values = made.values
    values["recipients"] = [_recipient(one, message.sender, eyes, made) for one in message.envelope[:MAX_RECIPIENTS]]
    values["whole"], values["applicative"] = not message.cut, message.applicative
    for one in message.envelope:
        made.show(RCPT_TO, one)
    if message.cut:
        return
    mail = BytesParser(policy=policy.compat32).parsebytes(message.request)
    _show(mail, made)
    values["content"] = eyes.digest("message.content", message.request)
    values["message_id"] = _message_id(mail, message.sender, eyes)
    values["nil"] = _nil(mail, message.declared_nil)
    values["report"] = mail.get_content_type() == "multipart/report"
    parts = _attachments(mail)
    for name, kind, _ in parts:
        made.show(ATTACHMENTS, f"{name} ({kind})")
    archives = [data for name, kind, data in parts if _is_archive(name, kind)]
    archive = archive_facts(archives[0], eyes, made) if archives else None
    values["archives"], values["archive"] = len(archives), archive
    pdfs = [data for name, kind, data in parts if kind == "application/pdf" or name.lower().endswith(".pdf")]
    values["pdfs"] = [{"kind": pdf_kind(data), "content": eyes.digest("document.content", data)} for data in pdfs]
    values["documents"] = any(kind in _DOCUMENT_TYPES or name.lower().endswith(_DOCUMENT_NAMES) for name, kind, _ in parts)
    values["subject"] = _subject(_decoded(mail.get("Subject")), archive, eyes, made)
    values["x_mss_ins"] = _one_of(mail, INS_HEADER, ("O", "N"))
    values["codecda"] = _codecda(mail, archive, eyes)


def sasl_facts(mechanism: str, response: bytes | None) -> FactValues:
    """The form of a SASL response, its secret unread (mssante §5.3).

    XOAUTH2 ``user=<BAL>^Aauth=Bearer <token>^A^A`` · PLAIN (RFC 4616) ``[BAL]^@<BAL>^@<password>`` · EXTERNAL (RFC 4422)
    nothing, ``=`` or the mailbox.
    """
    known = mechanism if mechanism in ("XOAUTH2", "PLAIN", "LOGIN", "EXTERNAL", "OAUTHBEARER") else OTHER
    facts: FactValues = {"mechanism": known, "form": False, "mailbox": False, "bearer": "absent"}
    try:
        text = base64.b64decode(b"" if response is None or response == b"=" else response, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return facts
    if known == "EXTERNAL":
        facts["mailbox"] = is_address(text)
        facts["form"] = not text or is_address(text)
    elif known == "PLAIN":
        identity, _, rest = text.partition("\0")
        login, separator, _ = rest.partition("\0")
        facts["mailbox"] = is_address(login)
        facts["form"] = bool(separator) and facts["mailbox"] and identity in ("", login)
    elif known == "XOAUTH2" and text:
        user, _, rest = text.partition("\x01")
        auth, _, end = rest.partition("\x01")
        token = auth.removeprefix("auth=Bearer ")
        facts["mailbox"] = user.startswith("user=") and is_address(user.removeprefix("user="))
        facts["form"] = facts["mailbox"] and auth.startswith("auth=Bearer ") and bool(token) and end == "\x01"
        facts["bearer"] = "jwt" if len(token.split(".")) == 3 else OTHER if token else "absent"
    return facts


def sasl_shown(mechanism: str, response: bytes | None) -> str:
    """What may be shown of a SASL response to whoever sent it: the mechanism and the name given, never what is secret in it."""
    try:
        text = base64.b64decode(response or b"", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return mechanism
    if mechanism == "PLAIN":
        name = text.split("\0")[1] if text.count("\0") == 2 else ""
    else:
        name = text.partition("\x01")[0].removeprefix("user=") if mechanism == "XOAUTH2" else ""
    return f"{mechanism} {name}".strip()


def _show(mail: Mail, made: Made) -> None:
    for name in (MESSAGE_ID, X_MSS_INS, X_MSS_NIL, X_MSS_CODECDA):
        values = [str(one).strip() for one in mail.get_all(name, [])]
        made.show(name, None)
        for value in values:
            made.show(name, value)
    made.show(SUBJECT, _decoded(mail.get("Subject")))


def _recipient(address: str, sender: str, eyes: Eyes, made: Made) -> FactValues:
    box = normalise(address)
    matricule = usager_matricule(box)
    if matricule is not None:
        made.about(matricule)
        known = eyes.known_person(matricule) if eyes.known_person else None
        if known is False:
            made.show(IDENTITIES, matricule)
        return {"class": "citoyen", "ins": eyes.digest("ins", matricule), "mailbox": None, "known": known}
    kind = "citoyen" if is_usager(box) else "interne" if domain_of(box) == domain_of(sender) else "pro"
    return {"class": kind, "ins": None, "mailbox": eyes.digest("mailbox", box), "known": None}


def _message_id(mail: Mail, sender: str, eyes: Eyes) -> FactValues:
    values = [str(one).strip() for one in mail.get_all("Message-ID", [])]
    one = values[0] if values else ""
    return {
        "count": len(values),
        "form": len(values) == 1 and _MESSAGE_ID.fullmatch(one) is not None,
        "class": class_of(one) if values else "absent",
        "digest": eyes.digest("message", f"{normalise(sender)}\n{one}") if one else None,
    }


def _nil(mail: Mail, declared: str | None) -> FactValues:
    values = [str(one).strip() for one in mail.get_all(NIL_HEADER, [])]
    one = values[0] if values else None
    return {
        "count": len(values),
        "form": len(values) == 1 and is_nil(values[0]),
        "class": class_of(one),
        "declared": None if declared is None else one == declared,
    }


def _attachments(mail: Mail) -> list[tuple[str, str, bytes]]:
    """(file name, type, bytes) of the leaves that are not the text of the message; a message inside another is not opened."""
    found: list[tuple[str, str, bytes]] = []
    for part in _leaves(mail):
        name, kind = part.get_filename() or "", part.get_content_type()
        if name or not kind.startswith(("text/", "message/")):
            payload = part.get_payload(decode=True)
            found.append((name, kind, payload if isinstance(payload, bytes) else b""))
    return found


def _leaves(mail: Mail) -> Iterable[Mail]:
    waiting, seen = [mail], 0
    while waiting and seen < MAX_PARTS:
        part = waiting.pop(0)
        seen += 1
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting.extend(one for one in payload if isinstance(one, Mail))
        elif not isinstance(payload, list):
            yield part


def _is_archive(name: str, kind: str) -> bool:
    return name.upper() == "IHE_XDM.ZIP" or (kind in ("application/zip", "application/x-zip-compressed") and not name)


def _decoded(raw: object) -> str | None:
    if raw is None:
        return None
    try:
        return str(make_header(decode_header(str(raw))))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return str(raw)


def _subject(text: str | None, archive: FactValues | None, eyes: Eyes, made: Made) -> FactValues:
    """Form of ECO.2.1.3: a label, the name in capitals, the first name, the birth date if any; ``person``: as the archive."""
    matched = _SUBJECT.fullmatch(" ".join((text or "").split()))
    words = matched["rest"].split() if matched else []
    dated = bool(words) and _BIRTH_DATE.fullmatch(words[-1]) is not None
    words = words[:-1] if dated else words
    return {
        "marker": matched is not None,
        "form": len(words) >= 3 and any(_is_capital(word) for word in words[1:-1]),
        "dated": dated,
        "person": None if archive is None else _names_person(words, archive, eyes, made),
        "matricule": _MATRICULE.search(text or "") is not None,
        "class": class_of(text),
    }


def _names_person(words: list[str], archive: FactValues, eyes: Eyes, made: Made) -> bool | None:
    """Whether the words hold the birth name and the first name of the archive's person; None when it has none, or several."""
    held = [row["cda"]["identity"]["digests"] for row in archive["documents"] if row["cda"]["kind"] == "cda"]
    if not held or len(made.persons) != 1 or not {"birth_name", "first_name"} <= held[0].keys():
        return None
    groups = [" ".join(words[at : at + size]) for size in range(1, 5) for at in range(len(words) - size + 1)][:_MOST_GROUPS]
    said = {name: {traits_facts(made.persons[0], {name: one}, eyes)["digests"].get(name) for one in groups} for name in _NAMES}
    return all(held[0][name] in said[name] for name in _NAMES)


def _is_capital(word: str) -> bool:
    return any(one.isalpha() for one in word) and word == word.upper()


def _one_of(mail: Mail, name: str, known: tuple[str, ...]) -> str | None:
    """The value when it is a known one; ``autre`` for another or for several; None when absent."""
    values = [str(one).strip() for one in mail.get_all(name, [])]
    if not values:
        return None
    return values[0] if len(values) == 1 and values[0] in known else OTHER


def _codecda(mail: Mail, archive: FactValues | None, eyes: Eyes) -> FactValues:
    """Whether X-MSS-CODECDA names the code of each CDA of the archive, compared by their digests: it is the client's text."""
    values = [str(one) for one in mail.get_all(CODECDA_HEADER, [])]
    named = [code_digest(one.strip(), eyes) for value in values for one in value.split(",") if one.strip()]
    held = [] if archive is None else [row["cda"]["code_ref"] for row in archive["documents"] if row["cda"]["kind"] == "cda"]
    agrees = sorted(named) == sorted(one for one in held if one is not None) and None not in held
    return {"present": bool(values), "named": len(named), "held": len(held), "agrees": agrees}
