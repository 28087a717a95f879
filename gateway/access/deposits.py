"""Depositing and removing identities in a running gateway: an admin entry for each, then its effect (design §5, §8)."""
from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from connectors.wire.clock import Clock
from gateway.access.callers import Access
from gateway.access.identities import SERVICES, USES, Candidate, Deposited, IdentityRefused, IdentityStore, check, structure_of
from gateway.access.profile import SANDBOX, Profile
from gateway.journal.journal import Journal
from gateway.journal.record import Named, Record

ACTION = "identity"


@dataclass(frozen=True, slots=True)
class Deposits:
    """tenants   those that the deployment knows now
    changed   called once the callers are looked up with the new set: what was made with an old identity must be made again
    """

    store: IdentityStore
    access: Access
    journal: Journal
    clock: Clock
    tenants: Callable[[], Collection[str]]
    changed: Callable[[], None]
    profile: Profile = SANDBOX

    def load(self) -> None:
        """Look callers up with what is deposited now."""
        self.access.use(self.store)
        self.changed()

    async def add(
        self, candidate: Candidate, service: str, use: str, *, by: str, tenant: str | None = None, finess_ej: str | None = None
    ) -> dict[str, Any]:
        """What was deposited, with the names of what it ``replaces``. Raises IdentityRefused, JournalFull, JournalStopped.

        tenant     of the structure, as the manifest has it, when None
        finess_ej  for which a structure unknown to the manifest may be counted
        """
        if service not in SERVICES or use not in USES:
            raise IdentityRefused(f"Services possibles : {', '.join(SERVICES)} ; usages : {', '.join(USES)}.")
        check(candidate, use, self.clock.real())
        self._check_profile(candidate)
        identity = self.store.prepare(candidate, service, use, self._tenant(candidate, tenant), finess_ej)
        replaced = [one.name for one in self.store.rivals(identity)]
        await self._note("deposited", identity, by)
        self.store.commit(identity)
        self.load()
        return {**identity.about(), "replaces": replaced}

    async def remove(self, name: str, *, by: str) -> dict[str, Any]:
        """What was removed. Raises IdentityRefused, JournalFull, JournalStopped."""
        identity = self.store.get(name)
        if identity is None:
            raise IdentityRefused(f"Aucune identité « {name} » n'est déposée : voyez « socle gateway identity list ».")
        await self._note("removed", identity, by)
        self.store.remove(name)
        self.load()
        return identity.about()

    def _check_profile(self, candidate: Candidate) -> None:
        why = self.profile.why_not_certificate(candidate.cert.public_bytes(Encoding.DER))
        if why is not None:
            raise IdentityRefused(f"Identité refusée en environnement « {self.profile.environment} » : {why}.")

    def _tenant(self, candidate: Candidate, tenant: str | None) -> str:
        known = self.access.structure(structure_of(candidate.cert) or "")
        tenant = tenant or (known.tenant if known is not None else None)
        if tenant is None:
            raise IdentityRefused("La structure de ce certificat est inconnue du bac à sable : dites à quel éditeur (--tenant).")
        if tenant not in (known_tenants := self.tenants()):
            raise IdentityRefused(f"Éditeur « {tenant} » inconnu ; possibles : {', '.join(sorted(known_tenants))}.")
        return tenant

    async def _note(self, done: str, identity: Deposited, by: str) -> None:
        note = Record(None, kind="admin", tenant=identity.tenant, event_time=self.clock.business())
        note.clock_version = self.clock.version
        note.detail = {
            "action": ACTION, "by": Named("label", by), "done": done, "service": identity.service, "use": identity.use,
            "struct_id": identity.struct_id, "fingerprint": identity.fingerprint,
        }  # fmt: skip
        await self.journal.write(note)
