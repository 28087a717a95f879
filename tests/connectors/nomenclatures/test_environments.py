"""To whom a host or an authority belongs: the names of the notes, their look-alikes, and every spelling of this machine."""
from __future__ import annotations

import pytest

from connectors.nomenclatures.environments import Kind, authority_kind, host_kind


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("services-ps-tlsm.ameli.fr", "production"), ("services-ps.ameli.fr", "production"), ("lps2.dmp.gouv.fr", "production"),
        ("auth.esw.esante.gouv.fr", "production"), ("wallet.esw.esante.gouv.fr", "production"),
        ("gateway.api.esante.gouv.fr", "production"), ("espacedeconfiance.mssante.fr", "production"),
        ("patient.mssante.fr", "production"), ("LPS2.DMP.GOUV.FR.", "production"), ("mssante.fr", "production"),
        ("qualiflps-services-ps-tlsm.ameli.fr", "test"), ("qualiflps.services-ps.ameli.fr", "test"),
        ("dev6.lps2.dmp.gouv.fr", "test"), ("lps.dev1.dmp.gouv.fr", "test"), ("auth.bas.psc.esante.gouv.fr", "test"),
        ("wallet.bas.esw.esante.gouv.fr", "test"), ("auth.server.api.edc-psc.esante.gouv.fr", "test"),
        ("tests-editeur.espacedeconfiance.mssante.fr", "test"), ("medecin.formation.mssante.fr", "test"),
        ("essaietaecps.eservices.esante.gouv.fr", "test"), ("ch-test.mssante.fr", "test"),
        ("localhost", "sandbox"), ("LOCALHOST.", "sandbox"), ("a.localhost", "sandbox"), ("127.0.0.1", "sandbox"),
        ("127.8.9.10", "sandbox"), ("127.1", "sandbox"), ("0x7f000001", "sandbox"), ("2130706433", "sandbox"),
        ("0.0.0.0", "sandbox"),
        ("::1", "sandbox"), ("[::1]", "sandbox"), ("::ffff:127.0.0.1", "sandbox"), ("insi.bac-a-sable.socle.fr", "sandbox"),
        ("ehpad.mssante.test", "sandbox"), ("mock.example", "sandbox"),
        ("relais.hopital.fr", None), ("10.0.0.7", None), ("fauxameli.fr", None), ("ameli.fr.attaquant.net", None),
        ("latest.hopital.fr", None), ("1and1.fr", None), ("", None),
    ],
)  # fmt: skip
def test_a_host_belongs_to_what_its_name_says(host: str, kind: Kind | None) -> None:
    assert host_kind(host) == kind


PRODUCTION = "CN=AC IGC-SANTE ELEMENTAIRE ORGANISATIONS,OU=IGC-SANTE,OU=0002 187512751,O=ASIP-SANTE,C=FR"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (PRODUCTION, "production"), (PRODUCTION.lower(), "production"),
        ("CN=AC IGC-SANTE STANDARD PERSONNES,C=FR", "production"),
        (PRODUCTION.replace("CN=AC", "CN=TEST AC").replace("OU=IGC-SANTE", "OU=IGC-SANTE TEST"), "test"),
        ("CN=TEST AC RACINE IGC-SANTE ELEMENTAIRE,O=ASIP-SANTE,C=FR", "test"),
        ("CN=SANDBOX AC IGC-SANTE ELEMENTAIRE ORGANISATIONS,OU=IGC-SANTE SANDBOX,O=SOCLE SANDBOX,C=FR", "sandbox"),
        ("CN=SANDBOX ETRANGER AC IGC-SANTE ELEMENTAIRE ORGANISATIONS,O=SOCLE SANDBOX ETRANGER,C=FR", "sandbox"),
        ("CN=AC D'UN HOPITAL,O=HOPITAL,C=FR", None), ("", None),
    ],
)  # fmt: skip
def test_an_authority_belongs_to_what_its_name_says(name: str, kind: Kind | None) -> None:
    assert authority_kind(name) == kind
