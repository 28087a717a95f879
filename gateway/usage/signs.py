"""Signs that a MSSanté rate feeds on itself (design §6): internal messages, automatic answers, one sender for all.

Counts and refs of entries only: no address is opened.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from gateway.usage.counting import Counting, Slot


@dataclass(frozen=True, slots=True)
class Signs:
    """Of one ESSMS in one window.

    messages      counted
    internal      of these, those whose every accepted recipient has the sender's own domain
    automatic     receipts and automatic answers that the mailbox sent: accepted, and worth nothing
    first_sender  messages of the professional who sent most of them
    unsigned      messages of nobody in particular: an applicative mailbox proves no professional
    """

    messages: int
    internal: int
    automatic: int
    first_sender: int
    unsigned: int

    @property
    def line(self) -> str:
        return (
            f"{self.messages} messages comptés : {self.internal} internes, {self.first_sender} du premier expéditeur, "
            f"{self.unsigned} sans expéditeur identifié ; {self.automatic} accusés ou réponses automatiques non comptés"
        )

    def item(self) -> dict[str, int]:
        return {
            "messages": self.messages, "internal": self.internal, "automatic": self.automatic,
            "first_sender": self.first_sender, "unsigned": self.unsigned,
        }  # fmt: skip


def signs(counting: Counting, slot: Slot) -> Signs | None:
    """Every counted entry of the slot (IND-MSS-01) is opened; None when some left."""
    frozen = counting.frozen(slot)
    if frozen is not None and frozen.events:
        return None
    internal = unsigned = messages = 0
    senders = Counter[str]()
    for row in counting.rows(slot):
        entry = counting.entry(row.place)
        messages += 1
        internal += _internal(entry)
        if entry["professional_ref"] is None:
            unsigned += 1
        else:
            senders[entry["professional_ref"]] += 1
    first = max(senders.values(), default=0)
    return Signs(messages, internal, counting.beside(slot).get("exclu", 0), first, unsigned)


def _internal(entry: dict[str, Any]) -> bool:
    sent = entry["recipients"] or {}
    return bool(sent.get("interne")) and not sent.get("pro") and not sent.get("citoyen")
