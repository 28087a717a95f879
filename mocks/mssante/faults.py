"""What an armed fault makes of a reply of the operator: its code, or its bytes. The text names the fault, for want of headers."""
from __future__ import annotations

from dataclasses import replace

from mocks.mssante import behaviour as b
from mocks.sandbox.fault import Fault

#: Enhanced status of each reply code that an operator gives (mssante §11.4), by RFC 3463, 4954 and 5248; some by step.
_ENHANCED = {
    "421": "4.3.2", "422": "4.2.2", "450": "4.2.0", "451": "4.3.0", "452": "4.3.1", "510": "5.1.3", "512": "5.1.2",
    "523": "5.2.3", "530": "5.7.0", "535": "5.7.8", "541": "5.7.1", "550": "5.1.1", "551": "5.1.6", "552": "5.2.2",
    "553": "5.1.3", "554": "5.0.0",
}  # fmt: skip
_AT = {
    ("mail", "552"): "5.3.4", ("end", "552"): "5.3.4", ("mail", "553"): "5.7.1", ("end", "550"): "5.7.1", ("end", "450"): "4.7.1",
}  # fmt: skip
_TEXTS = {
    "421": "Service not available, closing", "422": "Mailbox over its storage limit", "450": "Mailbox busy",
    "451": "Processing error", "452": "Insufficient system storage", "510": "Bad address", "512": "Recipient host not found",
    "523": "Size over the limit of the recipient", "530": "Authentication required", "535": "Authentication failed",
    "541": "Message rejected by a filter", "550": "Mailbox unavailable", "551": "User not local",
    "552": "Storage allocation exceeded", "553": "Mailbox name not valid", "554": "Transaction failed",
}  # fmt: skip


def refusal(fault: Fault, step: str) -> b.Reply | None:
    """The reply of a fault that answers a code; None for another."""
    if fault.kind not in ("status", "business", "soap"):
        return None
    code, _, enhanced = fault.value.partition(" ")
    if code not in _ENHANCED:
        code, enhanced = ("421", "") if step == "session" else ("451", "")
    enhanced = enhanced or _AT.get((step, code)) or _ENHANCED[code]
    return named(b.say(int(code), f"{enhanced} {_TEXTS[code]}"), fault)


def named(reply: b.Reply, fault: Fault) -> b.Reply:
    """The reply, saying in its first line which fault touched it."""
    first, *others = reply.lines
    return replace(reply, lines=(f"{first} (panne injectee {fault.id})", *others))


def silent(fault: Fault) -> bool:
    """A wait without end: the operator never answers."""
    return fault.kind == "timeout" and fault.delay_s == 0
