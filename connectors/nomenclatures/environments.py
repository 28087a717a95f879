"""What a host or a certificate authority belongs to: a sandbox, the national test platforms, or national production.

Hosts of the national services: insi §3, dmp §2.1, mssante §5 and §9, psc-annuaire §2 and §14; authorities: psc-annuaire §23.2.
A name of a national domain that nothing marks as a test is production: what is not known is not taken for harmless.
"""
from __future__ import annotations

import ipaddress
import re
import socket
from typing import Literal

Kind = Literal["sandbox", "test", "production"]

_NATIONAL = ("ameli.fr", "dmp.gouv.fr", "mssante.fr", "esante.gouv.fr")
#: Labels of the hosts on which vendors try and are certified.
_TEST_LABEL = re.compile(r"bas|edc-psc|formation|dev[0-9]+|qualif.*|essai.*|tests?-.*|tests|.*-test|validation-.*")
#: Labels that name a sandbox, and the top domains that nobody can own (RFC 6761).
_SANDBOX_LABEL = re.compile(r"bac-a-sable|sandbox|localhost")
_NOBODYS = frozenset({"test", "example", "invalid"})
_SANDBOX_WORDS = ("SANDBOX", "BAC A SABLE")


def host_kind(host: str) -> Kind | None:
    """Of a host name or an address, in any spelling; None for one that says nothing (a relay of the operator's own)."""
    name = host.strip("[]").rstrip(".").casefold()
    address = _address(name)
    if address is not None:
        return "sandbox" if address.is_loopback or address.is_unspecified else None
    labels = name.split(".")
    if labels[-1] in _NOBODYS or any(_SANDBOX_LABEL.fullmatch(label) for label in labels):
        return "sandbox"
    if not any(name == domain or name.endswith(f".{domain}") for domain in _NATIONAL):
        return None
    return "test" if any(_TEST_LABEL.fullmatch(label) for label in labels) else "production"


def authority_kind(name: str) -> Kind | None:
    """Of the name of an authority (RFC 4514); None for one that is neither a sandbox's nor of the IGC-Santé."""
    upper = name.upper()
    if any(word in upper for word in _SANDBOX_WORDS):
        return "sandbox"
    if "IGC-SANTE" not in upper and "O=ASIP-SANTE" not in upper:
        return None
    return "test" if "CN=TEST " in upper or "IGC-SANTE TEST" in upper else "production"


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Short and hexadecimal spellings of IPv4 included, as the resolver takes them (127.1, 0x7f000001)."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name)) if name[:1].isdigit() else None
        except OSError:
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
