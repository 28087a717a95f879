"""``POST /ins/verification/lots``, then ``…/{lot}/resultats``: the INS of up to a thousand people, verified at once.

The only bulk that INSi allows: a search goes with a visit, never with a file of people (insi §1). All of it is assumed (§7,
decision 0050). The gateway keeps nothing of a lot: its name is the DUI's to keep, and so is what each of its own names means.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, field_validator

from connectors.insi import codes
from connectors.insi.answers import Lot
from connectors.insi.client import Exchange
from connectors.insi.messages import Individual
from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.fields import Line, Part
from gateway.doors.own.held import Verifiable
from gateway.doors.own.ins_service import InsService, reply_of
from gateway.doors.own.ins_verification import KO, OK, held, individual
from gateway.doors.own.problem import Refused, Reply
from gateway.journal.record import Record
from gateway.road import Passed

_UNKNOWN = "INSi ne connaît pas ce lot pour cet établissement : vérifiez l'identifiant que le dépôt a rendu, et le FINESS."
_REFUSED = "INSi n'a pas pris ce lot : son code est dans « code_service »."
_RUNNING = "Le lot n'est pas fini : redemandez ses résultats plus tard."
_KO = (
    "{number} KO : pour chacune de ces identités l'INS tombe, QUAL redescend à VALI et RECUP à PROV. Mettez-les dans votre "
    "liste de travail et ne diffusez plus leur matricule ; /ins/decision (événement « verification ») rend l'identité qui "
    "s'ensuit."
)
_DONE = "Toutes les INS du lot sont bien celles de ces personnes : rien ne change."


class Item(Part):
    id: str = Field(pattern=r"^[0-9A-Za-z._-]{1,64}$", description="Votre nom pour cette ligne, ni matricule ni nom de personne.")
    identite: Verifiable = Field(description="L'identité telle que vous l'avez, INS comprise.")


class Deposit(Message):
    identites: list[Item] = Field(min_length=1, max_length=codes.LOT_MAX, description="De une à mille, chacune sous son id.")

    @field_validator("identites")
    @classmethod
    def _each_its_own(cls, items: list[Item]) -> list[Item]:
        if len({one.id for one in items}) != len(items):
            raise ValueError("un même id deux fois")
        return items


class Retrieval(Message):
    lot: Annotated[Line, Field(min_length=1, max_length=128, description="Identifiant du lot, rendu par le dépôt.")]


@dataclass(frozen=True, slots=True)
class DepositDoor:
    insi: InsService

    operation = "INS.LOT_DEPOT"
    model = Deposit

    def named(self, message: Deposit, name: bytes) -> dict[str, str]:
        """INSi names the lot."""
        return {}

    async def act(self, call: OwnCall[Deposit]) -> Passed:
        lot = [(one.id, self._individual(rank, one)) for rank, one in enumerate(call.message.identites)]
        return await self.insi.ask(call, lambda client: client.deposit(lot), lambda exchange: self._said(call.record, exchange))

    def _individual(self, rank: int, item: Item) -> Individual:
        self.insi.check_oid(item.identite.ins.oid, f"identites.{rank}.identite.ins.oid")
        return individual(held(item.identite, rang=rank + 1))

    def _said(self, record: Record, exchange: Exchange[Lot]) -> Reply:
        lot = _answered(exchange, record, _REFUSED)
        content = {"lot": lot.lot_id, "code_service": lot.service_code, "provenance": self.insi.provenance()}
        return Reply(200, content)


@dataclass(frozen=True, slots=True)
class RetrievalDoor:
    insi: InsService

    operation = "INS.LOT_RETRAIT"
    model = Retrieval

    def named(self, message: Retrieval, name: bytes) -> dict[str, str]:
        return {}

    async def act(self, call: OwnCall[Retrieval]) -> Passed:
        def said(exchange: Exchange[Lot]) -> Reply:
            lot = _answered(exchange, call.record, _UNKNOWN)
            return Reply(200, {"lot": lot.lot_id, "code_service": lot.service_code} | _results(lot) | {
                "provenance": self.insi.provenance()
            })  # fmt: skip

        return await self.insi.ask(call, lambda client: client.retrieve(call.message.lot), said)


def _answered(exchange: Exchange[Lot], record: Record, otherwise: str) -> Lot:
    """``otherwise``: what another code than 00 means here."""
    reply = reply_of(exchange, record)
    if reply.code != codes.INSI_OK:
        raise Refused("refus", otherwise, code=reply.service_code)
    return reply


def _results(lot: Lot) -> dict[str, Any]:
    right = sum(holds for _, holds in lot.results)
    unlike = len(lot.results) - right
    done = lot.state == codes.LOT_DONE
    return {
        "etat": lot.state,
        "resultats": [{"id": name, "resultat": OK if holds else KO} for name, holds in lot.results],
        "bilan": {"ok": right, "ko": unlike},
        "suite": (_KO.format(number=unlike) if unlike else _DONE) if done else _RUNNING,
    }
