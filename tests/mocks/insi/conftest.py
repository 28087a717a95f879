"""A request written by hand (other prefixes and order than the connector's) and a small population."""
from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import pytest

from mocks.insi.rules import Rules
from mocks.insi.state import Register

IDAM = "SOCLEDUI0001"
TRAITS = {"NomNaissance": "ECETINSI", "Prenom": "PIERRE-ALAIN", "Sexe": "M", "DateNaissance": "2009-07-14"}
ACTION = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"

def request(*, action: str | None = ACTION, header: str | None = None, body: str | None = None, **traits: str | None) -> bytes:
    """A request for TRAITS; a keyword replaces a trait, None removes it. ``header`` and ``body`` replace whole parts."""
    asked = {**TRAITS, **traits}
    children = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in asked.items() if value is not None)
    if body is None:
        body = f'<RECSANSVITALE xmlns="http://www.cnamts.fr/INSiRecSans">{children}</RECSANSVITALE>'
    to = "" if action is None else f"<w:Action>{action}</w:Action>"
    return (
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://www.w3.org/2005/08/addressing"><e:Header>'
        f"{contexts() if header is None else header}{to}<w:MessageID>uuid:1</w:MessageID></e:Header>"
        f"<e:Body>{body}</e:Body></e:Envelope>"
    ).encode()


def contexts(idam: str = IDAM) -> str:
    """ContexteBAM first, Version 1.0 and an e-mail address as Emetteur: all seen accepted by the real service."""
    return (
        '<b:ContexteBAM xmlns:b="urn:siram:bam:ctxbam" Version="1.0"><b:Id>2</b:Id><b:Temps>2026-03-02T08:05:00+01:00</b:Temps>'
        "<b:Emetteur>contact@dui.test</b:Emetteur><b:COUVERTURE/></b:ContexteBAM>"
        '<l:ContexteLPS xmlns:l="urn:siram:lps:ctxlps" Version="01_00"><l:Id>1</l:Id><l:Temps>2026-03-02T08:05:00+01:00</l:Temps>'
        f'<l:Emetteur>contact@dui.test</l:Emetteur><l:LPS><l:IDAM R="4">{idam}</l:IDAM></l:LPS></l:ContexteLPS>'
    )


def strict_contexts(emitter: str = "1130000018") -> str:
    """Every value as the published table writes it (insi §3.4)."""
    said = "<x:Id>5b0c5d0e-4f2a-4a37-8d52-6d7a1f7f2c01</x:Id><x:Temps>2026-03-02T08:05:00.123Z</x:Temps>"
    said += f"<x:Emetteur>{emitter}</x:Emetteur>"
    return (
        f'<x:ContexteBAM xmlns:x="urn:siram:bam:ctxbam" Version="01_02" Nature="CTXBAM">{said}<x:COUVERTURE/></x:ContexteBAM>'
        f'<x:ContexteLPS xmlns:x="urn:siram:lps:ctxlps" Version="01_00" Nature="CTXLPS">{said}'
        f'<x:LPS><x:IDAM R="4">{IDAM}</x:IDAM></x:LPS></x:ContexteLPS>'
    )


def person(birth_name: str, *first_names: str, **other: Any) -> dict[str, Any]:
    """A row of the population."""
    row = {
        "matricule": f"109076322{zlib.crc32(repr((birth_name, first_names)).encode()) % 10**6:06d}",
        "oid": "1.2.250.1.213.1.4.8", "birth_name": birth_name, "first_names": list(first_names),
        "sex": "M", "birth_date": "2009-07-14", "birth_place": "63220", "history": [], "insi": "found", "source": "published",
    }  # fmt: skip
    return {**row, **other}


def population() -> list[dict[str, Any]]:
    return [
        person(
            "ECETINSI", "PIERRE-ALAIN", "MURIEL", "FLORIANT", matricule="109076322083489",
            history=[{"matricule": "209076322083439", "oid": "1.2.250.1.213.1.4.8", "start": "2019-03-01", "end": "2019-02-28"}],
        ),
        person("PROVISOIRE", "MATRICULE", matricule="109076322088835", oid="1.2.250.1.213.1.4.9"),
        person("DE VINCI", "LEONARDO", "PIERO", birth_date="2014-02-01"),
        person("DE VINCI", "LEONARDO", "ANTONIO", birth_date="2014-02-01", birth_place="63113"),
        person("TCHITCHI", "CATARINA", "BELLA", sex="F", birth_date="1936-06-21"),
        person("HOUILLES", "PIERRE", insi="none"),
        person("LE-GALL", "ANNE"),
    ]  # fmt: skip


@pytest.fixture
def make() -> Callable[..., bytes]:
    """Writes a request."""
    return request


@pytest.fixture
def header() -> Callable[..., str]:
    """Writes the two contexts."""
    return contexts


@pytest.fixture
def persons() -> list[dict[str, Any]]:
    return population()


@pytest.fixture
def register() -> Register:
    return Register.of(population(), idams=[IDAM])


@pytest.fixture
def register_with() -> Callable[..., Register]:
    """The same people under other rules."""
    return lambda **rules: Register.of(population(), idams=[IDAM], rules=Rules(**rules))
