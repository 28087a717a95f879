"""MSSanté as a DUI plays it: short messages from the ESSMS's mailbox, to a professional or to the person (mssante §7, §9)."""
from __future__ import annotations

from dataclasses import dataclass

from connectors.mssante.client import Submitted
from connectors.mssante.codes import Reply
from connectors.mssante.messages import Draft, Outgoing, build_message
from connectors.wire.clock import Clock
from loadtests import failures
from loadtests.calls import Reading
from loadtests.world import Person, Professional, Structure, World

SESSION, SUBMISSION = "MSS.SESSION_SMTP", "MSS.SOUMISSION"
_FOREIGN = "contact@messagerie-ordinaire.example"
_SUBJECT = "Point sur l'accompagnement (simulation)"
_TEXT = "Message fictif produit par la démonstration de Socle. Aucune personne réelle n'est concernée.\n"


@dataclass(frozen=True, slots=True)
class MailUser:
    """Writes for one ESSMS from the mailbox that its professional opens."""

    world: World
    structure: Structure
    author: Professional
    clock: Clock

    @property
    def mailbox(self) -> str:
        """The structure's shared mailbox when the professional may open it, else the professional's own."""
        shared = [address for address in self.structure.mailboxes if address in self.author.may_open]
        return shared[0] if shared else self.author.mailbox

    def message(self, recipient: str, reference: str) -> Outgoing:
        """``reference`` gives the Message-ID: the same one writes the same message again."""
        draft = Draft(
            sender=self.mailbox, label=self.structure.name, recipients=(recipient,), subject=_SUBJECT, text=_TEXT,
            nil=self.world.nil, reference=reference, date=self.clock.business(),
        )  # fmt: skip
        return build_message(draft)

    def recipient(self, person: Person, to: str, others: list[Professional]) -> str:
        """The person's own mailbox, or a colleague of another structure."""
        if to == "citoyen":
            return person.mailbox
        return others[sum(person.matricule.encode()) % len(others)].mailbox

    def unknown(self) -> str:
        """An address that nobody has, in the ESSMS's own domain."""
        return "personne.inconnue@" + self.mailbox.partition("@")[2]

    def foreign(self) -> str:
        return _FOREIGN


def unit_of(message: Outgoing) -> str:
    """What names the effect of a message: its sender's mailbox and its Message-ID (design §6)."""
    return f"{message.sender}\n{message.message_id}"


def read_submission(submitted: Submitted) -> Reading:
    """250 after the final dot, or the operator's refusal at the stage where it came."""
    return read_reply(submitted.stage, submitted.reply)


def read_reply(stage: str, reply: Reply) -> Reading:
    if stage == "end" and reply.positive:
        return Reading(reply.service_code)
    why = {
        ("rcpt", "550 5.1.1"): failures.UNKNOWN_MAILBOX,
        ("rcpt", "550 5.7.1"): failures.FOREIGN_DOMAIN,
        ("end", "451 4.4.2"): failures.UPSTREAM_TIMEOUT,
    }
    return Reading(reply.service_code, why.get((stage, reply.service_code), failures.OTHER))
