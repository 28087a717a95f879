"""What may be asked of the sandbox's PKI: profiles, for whom, and the certificates that a peer must refuse, each for one
reason. Pure: names, dates and keys; no file."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from cryptography import x509

from mocks.sandbox.authority import Authority, Pair, new_authority, new_key
from mocks.sandbox.profiles import ORGANISATIONS, PERSONS, Branch, Profile
from mocks.sandbox.structures import slug

Kind = Literal["foreign", "expired", "not_yet_valid", "revoked", "other_use", "wrong_usage", "weak_key", "other_branch"]
KINDS: tuple[str, ...] = get_args(Kind)
OTHER_USE = "SOCLE-AUTRE-USAGE"
FOREIGN = "foreign"
MAX_DAYS = 3 * 365
_YEAR = timedelta(days=365)
_WEAK_BITS = 1024

#: What files are called by: what the certificate is for, or why it is refused.
_USES: dict[str, str] = {
    "auth_cli": "authentification", "sign": "signature", "server": "serveur", "ps_auth": "personne-authentification",
    "ps_sign": "personne-signature",
}  # fmt: skip
_REFUSED: dict[str, str] = {
    "foreign": "autorite-etrangere", "expired": "expire", "not_yet_valid": "pas-encore-valable", "revoked": "revoque",
    "other_use": "autre-nom", "wrong_usage": "autre-usage", "weak_key": "cle-faible", "other_branch": "autre-branche",
}  # fmt: skip
_SWAPPED: dict[str, Profile] = {
    "auth_cli": "sign", "sign": "auth_cli", "server": "sign", "ps_auth": "ps_sign", "ps_sign": "ps_auth",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """One certificate.

    whose   FINESS of the structure, RPPS of the professional: what its files begin with
    days    how long it is valid; three years by default
    marks   extensions of a professional's
    """

    profile: Profile
    whose: str
    subject: x509.Name
    cn: str
    days: int | None = None
    refused: Kind | None = None
    tenant: str | None = None
    hosts: Sequence[str] = ()
    marks: Sequence[x509.ExtensionType] = field(default=())

    @property
    def branch(self) -> Branch:
        """Whose branch signs it."""
        persons = self.profile.startswith("ps_") != (self.refused == "other_branch")
        return PERSONS if persons else ORGANISATIONS

    def stem(self, serial: int) -> str:
        """Name of its files, told apart by the end of the serial number."""
        use = f"refuse-{_REFUSED[self.refused]}" if self.refused else _USES[self.profile]
        named = slug(self.cn) if self.profile in ("auth_cli", "sign", "server") else ""
        return "-".join(part for part in (self.whose, use, named, f"{serial & 0xFFFFFF:06x}") if part)


def minted(order: Order, authority: Authority, at: datetime) -> tuple[Pair, Authority]:
    """The certificate with its key, and the authority that signed it: ``authority``, or a stranger's. Takes a fraction of a
    second for each key."""
    if order.refused == "foreign":
        stranger = new_authority(new_key(), new_key(), label="SANDBOX ETRANGER")
        authority = Authority(stranger.root, stranger.issuing, authority.branch)
    profile = _SWAPPED[order.profile] if order.refused == "wrong_usage" else order.profile
    start, end = _validity(order, at)
    key = new_key(_WEAK_BITS) if order.refused == "weak_key" else new_key()
    return authority.mint(profile, order.subject, key, hosts=order.hosts, start=start, end=end, more=order.marks), authority


def _validity(order: Order, at: datetime) -> tuple[datetime | None, datetime | None]:
    if order.refused == "expired":
        return at - 4 * _YEAR, at - _YEAR
    if order.refused == "not_yet_valid":
        return at + _YEAR, at + 4 * _YEAR
    return None, None if order.days is None else at + timedelta(days=order.days)
