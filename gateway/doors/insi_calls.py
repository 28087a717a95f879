"""What an INSi request is, and whom it is about (reference: insi §3.3 dispatch, §3.4 contexts, §7 verification)."""
from __future__ import annotations

import re
from dataclasses import replace

from connectors.insi import codes, messages
from connectors.nomenclatures.identifiers import matricule_key
from connectors.wire import soap
from gateway.journal.record import Dui

VERIFICATION = "INS.VERIFICATION"

#: Operation, action, root of the body.
_OPERATIONS = (
    ("INS.RECHERCHE_TRAITS", codes.ACTION_TRAITS, codes.ROOT_TRAITS),
    ("INS.RECHERCHE_VITALE", codes.ACTION_VITALE, codes.ROOT_VITALE),
    (VERIFICATION, codes.ACTION_VERIFY, codes.ROOT_VERIFY),
    ("INS.LOT_DEPOT", codes.ACTION_DEPOSIT, codes.ROOT_DEPOSIT),
    ("INS.LOT_RETRAIT", codes.ACTION_RETRIEVE, codes.ROOT_RETRIEVE),
)
_BY_ACTION = {action: operation for operation, action, _ in _OPERATIONS}
_BY_ROOT = {root: operation for operation, _, root in _OPERATIONS}
_ACTION = re.compile(r';\s*action\s*=\s*"?([^";]+)', re.IGNORECASE)
_KEY = re.compile(r"[0-9]{2}")
_NUMBERED = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6}){0,3}")


def by_assertion(body: bytes) -> bool:
    """Whether a request brings somebody's proof in ``wsse:Security``, of any kind (insi §2.3, §2.4)."""
    message = soap.envelope_of(body)
    security = None if message is None else message.block(soap.WSSE, "Security")
    return security is not None and len(security) > 0


def operation_of(message: soap.Envelope, content_type: str | None) -> str | None:
    """The action decides when there is one, in the header or in the Content-Type, else the root of the body.

    None when it names nothing known.
    """
    action = message.text(soap.WSA, "Action") or _action_parameter(content_type or "")
    if action is not None:
        return _BY_ACTION.get(action)
    return None if message.body is None else _BY_ROOT.get(str(message.body.tag))


def dui_of(message: soap.Envelope, deposited: Dui) -> Dui:
    """The deposited product at the version that the message states.

    Only a dotted number is taken: any other text is the client's own and has no place in clear in an entry (design §5.6).
    """
    block = message.block(codes.LPS, "ContexteLPS")
    version = "" if block is None else block.findtext(f"{{{codes.LPS}}}LPS/{{{codes.LPS}}}Version", "").strip()
    return replace(deposited, version=version) if _NUMBERED.fullmatch(version) else deposited


def verified(message: soap.Envelope) -> tuple[messages.Ins, ...]:
    """The INS of which a verification, or a lot of them, asks whether they hold; none without its number and its OID."""
    individuals = () if message.body is None else messages.read_individuals(message.body)
    return tuple(identity.active for _, identity in individuals)


def matricule_of(ins: messages.Ins) -> str | None:
    """The 15 characters under which the journal names a person; None when they have not that form.

    The key may be wrong, as in some former INS (insi §5): who asks about it must find the call.
    """
    try:
        matricule_key(ins.number)
    except ValueError:
        return None
    return ins.completed if _KEY.fullmatch(ins.completed[13:]) else None


def _action_parameter(content_type: str) -> str | None:
    found = _ACTION.search(content_type)
    return found[1] if found else None
