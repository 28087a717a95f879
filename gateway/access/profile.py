"""The production and sandbox profiles (design §7): what one must never meet of the other. Pure: sentences, no side effect.

    environment   certificates refused                    hosts refused              OIDs refused
    production    of a sandbox, of the test IGC-Santé     of a sandbox, of tests     INS .10 and .11
    the others    of the production IGC-Santé             of national production     none
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.nomenclatures.environments import Kind, authority_kind, host_kind
from connectors.nomenclatures.oids import INS_SANDBOX_OIDS
from gateway.access.callers import UNKNOWN_TENANT
from gateway.door import Refusal, Request

PRODUCTION = "production"

FLAG, STRANGER = "V-PROFIL", "V-INCONNU"
_STRANGER = (
    "Appel refusé par la passerelle avant le service : rien dans cet appel ne nomme un éditeur qu'elle connaît, ce qu'elle exige "
    "en production. Présentez la clé, le client_id ou le certificat déclarés à la passerelle."
)
#: Operations whose request names its caller. The steps of a browser, and what is published for all, name nobody.
_NAMES_ITS_CALLER = frozenset({
    "PSC.AUTHORIZE", "PSC.TOKEN", "PSC.USERINFO", "ANN.RECHERCHE",
    "INS.RECHERCHE_TRAITS", "INS.RECHERCHE_VITALE", "INS.VERIFICATION", "INS.LOT_DEPOT", "INS.LOT_RETRAIT", "INS.INCONNUE",
})  # fmt: skip
#: Clients of SOAP services read faults at 500 (insi §3.3, dmp §15).
_SOAP = ("INS", "DMP")
_OF = {"sandbox": "d'un bac à sable", "test": "des plates-formes nationales d'essai", "production": "de la production nationale"}
_IN_PRODUCTION: frozenset[Kind] = frozenset({"sandbox", "test"})
_ELSEWHERE: frozenset[Kind] = frozenset({"production"})


@dataclass(frozen=True, slots=True)
class Profile:
    """Of one environment of the journal. Each ``why_not_…`` is one French sentence, or None when nothing is wrong."""

    environment: str

    @property
    def production(self) -> bool:
        return self.environment == PRODUCTION

    def why_not_host(self, host: str) -> str | None:
        kind = host_kind(host)
        return f"l'hôte {host} est {_OF[kind]}" if kind is not None and self._bars(kind) else None

    def why_not_certificate(self, der: bytes | None) -> str | None:
        """By its issuer, and by its own name for an authority that signs itself."""
        kind = None if der is None else _kind_of(der)
        if kind is None or not self._bars(kind):
            return None
        return f"le certificat a été émis par une autorité {_OF[kind]}"

    def why_not_oid(self, oid: str | None) -> str | None:
        barred = self.production and oid in INS_SANDBOX_OIDS
        return f"l'OID {oid} est celui d'une identité d'essai" if barred else None

    def why_not_call(self, service: str, request: Request, tenant: str, operation: str | None = None) -> Refusal | None:
        """Whether a call goes no further than the door: its certificate; in production, that nobody knows who calls.

        operation  None while it has not been read
        """
        why = self.why_not_certificate(request.client_der)
        if why is not None:
            return self.refusal(service, why)
        if not self.production or tenant != UNKNOWN_TENANT or operation is None or operation not in _NAMES_ITS_CALLER:
            return None
        return Refusal(STRANGER, _STRANGER, status=500 if operation.startswith(_SOAP) else 403, fault_code="Sender")

    def refusal(self, service: str, why: str) -> Refusal:
        """What the DUI is told of a call that is not made."""
        return Refusal(
            FLAG,
            f"Appel refusé par la passerelle avant le service : {why}, et l'environnement est « {self.environment} ». "
            "Prenez ce qui est de cet environnement, ou appelez la passerelle de l'autre.",
            status=500 if service in _SOAP else 403,
            fault_code="Sender",
        )

    def _bars(self, kind: Kind) -> bool:
        return kind in (_IN_PRODUCTION if self.production else _ELSEWHERE)


SANDBOX = Profile("bac_a_sable")


@lru_cache(maxsize=1024)  # a DUI shows the same certificate at each call
def _kind_of(der: bytes) -> Kind | None:
    try:
        cert = x509.load_der_x509_certificate(der)
        names = (cert.issuer.rfc4514_string(), cert.subject.rfc4514_string())
    except ValueError:
        return None
    return authority_kind(names[0]) or (authority_kind(names[1]) if names[0] == names[1] else None)


def ders_of(pem: bytes) -> list[bytes]:
    """The certificates of a PEM file; none when it holds none."""
    try:
        return [cert.public_bytes(Encoding.DER) for cert in x509.load_pem_x509_certificates(pem)]
    except ValueError:
        return []
