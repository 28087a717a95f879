"""MSSanté: address rules, X-MSS header names, constants of the client interface. Source: reference mssante §2, §5.3, §7.4."""
from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header

#: Domain of the usagers' mailboxes, operated for Mon espace santé (mssante §1).
USAGER_DOMAIN = "patient.mssante.fr"

#: Answers by itself whatever it is sent, for tests (mssante §6: description of the usagers' domain in the white list).
TEST_MAILBOX = "reponse.automatique-test@patient.mssante.fr"

#: Product reference of the sending software, mandatory on every message (ECO.2.4.3).
NIL_HEADER = "X-MSS-NIL"
#: Codes of the CDA documents of the archive (ECO.2.4.1) and presence of a qualified INS (ECO.2.4.2): only with an archive.
CODECDA_HEADER = "X-MSS-CODECDA"
INS_HEADER = "X-MSS-INS"
#: ``FIN``: the sender wants no answer from the usager (ECO.2.2.8).
MES_HEADER = "X-MSS-MES"

#: What a national operator challenges a refused token with, before its 535 (mssante §5.3).
XOAUTH2_REFUSAL = b'{"status":"401","schemes":"bearer","scope":"mail"}'

# Dot-atom on both sides: MSSanté domains are ASCII and no mailbox of the space uses a quoted local part (mssante §2).
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
# Positions 6-7 hold the department of birth: 2A and 2B for Corsica.
_USAGER = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{8}", re.IGNORECASE)
# Before XDM/1.0/DDM+…; the second is that of an older example (mssante §7.2, §11.3). An accent may have been lost on its way.
_INTEGRATION_FAILED = re.compile(r"\s*\[(?:KO Int|Erreur d.int).{1,2}gration", re.IGNORECASE)
_MAX_LINE = 998
_NIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,31}")


def is_address(text: str) -> bool:
    """True for ``local@domain`` in ASCII, at most 254 characters (RFC 5321 §4.5.3.1)."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


def normalise(address: str) -> str:
    """The address as it is compared: case never distinguishes two mailboxes (mssante §2)."""
    return address.strip().lower()


def domain_of(address: str) -> str:
    """The lower-case domain; empty when there is none."""
    return normalise(address).rpartition("@")[2] if "@" in address else ""


def is_usager(address: str) -> bool:
    """True for a mailbox of Mon espace santé, whatever its local part."""
    return domain_of(address) == USAGER_DOMAIN


def usager_matricule(address: str) -> str | None:
    """The 15-character matricule of a usager's address, upper case; None when it does not have that form."""
    local, _, domain = normalise(address).rpartition("@")
    return local.upper() if domain == USAGER_DOMAIN and _USAGER.fullmatch(local) else None


def usager_address(matricule: str) -> str:
    """The mailbox of the person of this 15-character matricule; raises ValueError on another form."""
    if not _USAGER.fullmatch(matricule):
        raise ValueError("a usager's address is built from the 15 characters of a matricule")
    return f"{matricule}@{USAGER_DOMAIN}"


def is_nil(text: str) -> bool:
    """True for something that can be the product reference given by the convergence portal."""
    return _NIL.fullmatch(text) is not None


def tells_failed_integration(subject: str) -> bool:
    """Whether the subject, as it stands in the message, is that of a software telling that it could not file a document."""
    subject = subject[:_MAX_LINE]
    with suppress(HeaderParseError, LookupError, ValueError):
        subject = str(make_header(decode_header(subject)))
    return _INTEGRATION_FAILED.match(subject) is not None


def is_for_test_only(recipients: Iterable[str]) -> bool:
    """Whether nobody but the test mailbox gets the message; False for nobody at all."""
    return {normalise(recipient) for recipient in recipients} == {TEST_MAILBOX}
