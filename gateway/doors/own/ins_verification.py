"""``POST /ins/verification``: does this INS belong to these traits? OK or KO, and what becomes of the identity.

The service's form is assumed (insi §7, decision 0050); what a KO means is not: the identity goes to a work list and its INS may
not be used as qualified any more (§7, §16.4).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from connectors.insi.answers import Verification
from connectors.insi.client import Exchange
from connectors.insi.messages import Individual, Ins, Person
from connectors.nomenclatures.names import normalise_birth_name, normalise_first_names
from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.held import ENTRY_STATUS, Verifiable, forbidden, told
from gateway.doors.own.ins_service import InsService, reply_of
from gateway.doors.own.problem import Refused, Reply
from gateway.identitovigilance import identity
from gateway.identitovigilance.identity import Identity, Status
from gateway.road import Passed

OK, KO = "OK", "KO"
_KO = (
    "INSi ne reconnaît pas cette INS avec ces traits, et ne dit pas lequel diffère. L'INS tombe : {change} Mettez l'identité "
    "dans votre liste de travail, ne diffusez plus le matricule, contrôlez les traits, puis cherchez de nouveau l'INS "
    "(/ins/recherche)."
)
_CHANGE = {
    Status.QUALIFIEE: "l'identité n'est plus qualifiée, elle redescend à VALI.",
    Status.RECUPEREE: "l'identité n'est plus récupérée, elle redescend à PROV.",
}
_UNSAID = "INSi n'a pas pu vérifier cette INS : son code est dans « code_service »."
_OK = "L'INS et les traits envoyés sont bien ceux d'une même personne : rien ne change."


class Verify(Message):
    identite: Verifiable = Field(description="L'identité telle que vous l'avez, INS comprise.")


@dataclass(frozen=True, slots=True)
class VerificationDoor:
    insi: InsService

    operation = "INS.VERIFICATION"
    model = Verify

    def named(self, message: Verify, name: bytes) -> dict[str, str]:
        """A verification names nothing."""
        return {}

    async def act(self, call: OwnCall[Verify]) -> Passed:
        """One entry, one exchange; the identity's status after the answer is the entry's."""
        before = held(call.message.identite)
        self.insi.check_oid(call.message.identite.ins.oid, "identite.ins.oid")
        return await self.insi.ask(
            call, lambda client: client.verify(individual(before)), lambda exchange: self._said(call, before, exchange)
        )

    def _said(self, call: OwnCall[Verify], before: Identity, exchange: Exchange[Verification]) -> Reply:
        reply = reply_of(exchange, call.record)
        if reply.holds is None:
            raise Refused("refus", _UNSAID, code=reply.service_code)
        after = identity.verified(before, holds=reply.holds)
        call.record.ins_status = ENTRY_STATUS[after.status]
        return Reply(200, {
            "resultat": OK if reply.holds else KO, "code_service": reply.service_code, "statut_avant": str(before.status),
            "statut": str(after.status), "suite": _OK if reply.holds else _KO.format(change=_CHANGE[before.status]),
            "identite": told(after), "provenance": self.insi.provenance(),
        })  # fmt: skip


def held(given: Verifiable, **more: Any) -> Identity:
    """Raises Refused, with ``more``: one marked doubtful or fictitious is never asked about (EXI SI 09, EXI ID 26)."""
    try:
        return given.read()
    except identity.Refused as refused:
        raise forbidden(refused, **more) from None


def individual(one: Identity) -> Individual:
    """As INSi wants it: names normalised (insi §15), each first name apart."""
    assert one.ins is not None
    traits, matricule = one.traits, one.ins.matricule
    first_names = " ".join(normalise_first_names(name) for name in traits.first_names).split()
    return Individual(
        Ins(matricule[:13], matricule[13:], one.ins.oid),
        Person(
            normalise_birth_name(traits.birth_name), tuple(first_names), traits.sex, traits.birth_date.isoformat(),
            traits.birth_place,
        ),
    )  # fmt: skip
