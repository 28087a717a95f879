"""What an ESSMS has for a time: its mailboxes, its certificates."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Literal, TypeVar

from pydantic import Field

from connectors.nomenclatures.mssante import is_address, normalise
from gateway.grappes.change_model import NONE, EssmsChangeModel, MaybeDate, Text, date_after
from gateway.grappes.model import Certificate, Essms, Mailbox
from gateway.grappes.reading import RegistryError

D = TypeVar("D", bound=Mailbox | Certificate)


class DatedChange(EssmsChangeModel):
    """From a day on; until a day; or taken away, as if it had never been declared. Without ``since``: the one in course."""

    since: date | None = None
    until: MaybeDate = None
    remove: bool = False

    def dated(self, mine: list[D], make: Callable[[date, date | None], D], what: str) -> list[D]:
        """The intervals of one thing after the change."""
        since = self.since
        if self.remove:
            kept = [one for one in mine if since is not None and one.since != since]
            if len(kept) == len(mine):
                raise RegistryError(f"ESSMS {self.finess_et} : {what} n'y est pas depuis cette date, rien à retirer.")
            return kept
        if since is None:
            ends = [one for one in mine if one.until is None or self.until == NONE]
            if len(ends) != 1:
                raise RegistryError(f"ESSMS {self.finess_et} : {what} n'y a pas un seul intervalle en cours, donnez son début.")
            return [make(one.since, date_after(self.until, one.until)) if one is ends[0] else one for one in mine]
        before = next((one.until for one in mine if one.since == since), None)
        others = [one for one in mine if one.since != since]
        return [*others, make(since, date_after(self.until, before))]


class BalChange(DatedChange):
    """A mailbox from which an ESSMS sends."""

    kind: Literal["bal"] = "bal"
    address: Text

    def of(self, essms: Essms) -> Essms:
        if not is_address(self.address):
            raise RegistryError(f"BAL « {self.address} » : ce n'est pas une adresse.")
        address = normalise(self.address)
        mine = [one for one in essms.mailboxes if one.address.lower() == address]
        others = [one for one in essms.mailboxes if one not in mine]

        def make(since: date, until: date | None) -> Mailbox:
            return Mailbox(address, since, until)

        return replace(essms, mailboxes=(*others, *self.dated(mine, make, "cette BAL")))


class CertificatChange(DatedChange):
    """A certificate of an ESSMS, by its SHA-256 fingerprint."""

    kind: Literal["certificat"] = "certificat"
    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    use: Literal["auth", "sign"] = "auth"

    def of(self, essms: Essms) -> Essms:
        mine = [one for one in essms.certificates if (one.fingerprint, one.use) == (self.fingerprint, self.use)]
        others = [one for one in essms.certificates if one not in mine]

        def make(since: date, until: date | None) -> Certificate:
            return Certificate(self.fingerprint, self.use, since, until)

        return replace(essms, certificates=(*others, *self.dated(mine, make, "ce certificat")))
