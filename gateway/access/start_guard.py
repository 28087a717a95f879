"""Before a gateway opens its journal: is everything that it is given of its own environment? (design §7)

A simulated call counted as production, or a real service called by a test, is worse than a gateway that does not start.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from gateway.access.identities import Deposited
from gateway.access.profile import Profile, ders_of
from gateway.settings import Upstream


class WrongProfile(Exception):
    """Something belongs to another environment; the text is one French line for who starts the gateway."""


def check_start(
    profile: Profile, folder: Path, manifest: Mapping[str, Any], upstreams: Mapping[Upstream, str], deposited: Iterable[Deposited]
) -> None:
    """Raises WrongProfile with the first thing that is not of ``profile``; OSError when a file of the manifest is missing.

    folder     where the manifest's files are
    upstreams  address of each service by its code: ``https://host:port``, ``smtp://host:port``
    """
    for service, url in upstreams.items():
        _refuse(profile, profile.why_not_host(urlsplit(url).hostname or ""), f"service {service}", "SOCLE_UPSTREAMS")
    for path in _certificates(folder, manifest, deposited):
        for der in ders_of(path.read_bytes()):
            where = f"{path.parent.name}/{path.name}"
            _refuse(profile, profile.why_not_certificate(der), where, "ce certificat, ou SOCLE_ENVIRONMENT")
    if not profile.production:  # in production, a door may well be called by a name of this machine
        server = folder / manifest["pki"]["server"]["cert"]
        for name in _names_of(server.read_bytes()):
            _refuse(profile, profile.why_not_host(name), server.name, "SOCLE_PUBLIC_HOSTS")


def _refuse(profile: Profile, why: str | None, where: str, what_to_change: str) -> None:
    if why is not None:
        raise WrongProfile(
            f"La passerelle ne démarre pas en environnement « {profile.environment} » ({where}) : {why}. "
            f"Changez {what_to_change} (docs/reglages.md)."
        )


def _certificates(folder: Path, manifest: Mapping[str, Any], deposited: Iterable[Deposited]) -> Iterator[Path]:
    pki = manifest["pki"]
    yield folder / pki["ca"]
    yield folder / pki["server"]["cert"]
    for row in manifest["structures"]:
        for use in ("auth_cli", "auth_manu", "sign"):
            if use in row:
                yield folder / row[use]["cert"]
    for one in deposited:
        yield one.cert


def _names_of(pem: bytes) -> list[str]:
    leaf = x509.load_pem_x509_certificates(pem)[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]
