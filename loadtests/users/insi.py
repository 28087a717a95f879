"""INSi as a DUI plays it: a search by traits with the structure's certificate, and searches that go wrong."""
from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import NAMESPACE_DNS, uuid5

from connectors.insi import codes, messages
from connectors.wire import soap
from connectors.wire.clock import Clock
from connectors.wire.http import Answer
from loadtests import failures
from loadtests.calls import HttpCall, Reading
from loadtests.world import Person, Structure, World

PATH = "/lps"
SOFTWARE = "DUI DEMONSTRATION"
SOFTWARE_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class InsiUser:
    """Searches for one ESSMS. A search with one first name, as the strategy imposed on software begins (insi §8)."""

    world: World
    structure: Structure
    clock: Clock

    def search(self, person: Person) -> HttpCall:
        return self._call(traits_of(person))

    def nobody(self, person: Person) -> HttpCall:
        """The married name instead of the birth name: CR 01."""
        return self._call(replace(traits_of(person), birth_name="NOM D'USAGE INCONNU"))

    def ambiguous(self, person: Person) -> HttpCall:
        """Several people bear these traits, and the birth place is left out: CR 02."""
        return self._call(replace(traits_of(person), birth_place=None))

    def faulty(self, person: Person) -> HttpCall:
        """A sex that INSi does not take: a SOAP fault of the téléservice (insi_24)."""
        return self._call(replace(traits_of(person), sex="I"))

    def malformed(self) -> HttpCall:
        """An envelope cut in the middle of a tag."""
        return HttpCall("INS.INCONNUE", "insi", "POST", PATH, _read_malformed, _headers(), b"<soap:Envelope xmlns:soap=")

    def _call(self, traits: messages.Traits) -> HttpCall:
        software = messages.Software(
            name=SOFTWARE, version=SOFTWARE_VERSION, idam=self.world.idam, instance=str(uuid5(NAMESPACE_DNS, SOFTWARE))
        )
        stamp = messages.new_stamp(self.clock.business())
        body = messages.search_request(traits, software, self.structure.struct_id, stamp)
        return HttpCall("INS.RECHERCHE_TRAITS", "insi", "POST", PATH, read_search, _headers(), body)


def traits_of(person: Person) -> messages.Traits:
    return messages.Traits(person.birth_name, person.first_names[0], person.sex, person.birth_date, person.birth_place)


def read_search(answer: Answer) -> Reading:
    """CR 00 is a success and brings the identity; the other CR codes and the faults are what went wrong."""
    reply = messages.read_answer(answer.body)
    if isinstance(reply, messages.Fault):
        return Reading(reply.service_code, failures.INSI_FAULT)
    why = {codes.INSI_OK: None, codes.INSI_NOBODY: failures.CR_01, codes.INSI_SEVERAL: failures.CR_02}
    return Reading(reply.service_code, why.get(reply.code, failures.OTHER), reply.identity)


def _read_malformed(answer: Answer) -> Reading:
    """The service refuses with a SOAP fault; anything else is another failure."""
    reply = messages.read_answer(answer.body)
    refused = isinstance(reply, messages.Fault) and answer.status == 500
    return Reading(reply.service_code, failures.MALFORMED_SOAP if refused else failures.OTHER)


def _headers() -> list[tuple[bytes, bytes]]:
    return [(b"content-type", soap.content_type(codes.ACTION_TRAITS).encode("ascii"))]
