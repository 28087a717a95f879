"""Replies, addresses and flags."""
from __future__ import annotations

import pytest

from connectors.mssante.codes import Reply, Stage, flag_of
from connectors.nomenclatures.mssante import domain_of, is_address, is_nil, is_usager, usager_address, usager_matricule


def test_the_service_code_keeps_the_enhanced_status() -> None:
    assert Reply(550, ("5.1.1 Mailbox unknown",)).service_code == "550 5.1.1"
    assert Reply(550, ("5.1.12x",)).service_code == Reply(550, ("Unknown 5.1.1",)).service_code == "550"
    assert Reply(354, ("",)).enhanced is None


@pytest.mark.parametrize(
    "stage, code, text, flag",
    [
        ("rcpt", 550, "5.1.1 x", "V-BAL-INCONNUE"),
        ("rcpt", 550, "5.7.1 x", "V-DOMAINE"),
        ("rcpt", 554, "5.7.1 Access denied", "V-DOMAINE"),
        ("rcpt", 550, "no such user", "V-BAL-INCONNUE"),
        ("mail", 553, "5.7.1 x", "V-EXPEDITEUR"),
        ("mail", 530, "5.7.0 x", "V-JETON"),
        ("auth", 535, "5.7.8 x", "V-JETON"),
        ("end", 550, "5.7.1 x", "V-EXPEDITEUR"),
        ("end", 552, "5.3.4 x", "V-TAILLE"),
        ("end", 554, "5.6.7 x", "V-REFUS"),
        ("rcpt", 452, "4.2.2 x", "N-TEMPORAIRE"),
        ("mail", 503, "5.5.1 x", "V-SYNTAXE"),
        ("rcpt", 250, "2.1.5 x", None),
        ("data", 354, "x", None),
    ],
)
def test_who_is_at_fault(stage: Stage, code: int, text: str, flag: str | None) -> None:
    assert flag_of(stage, Reply(code, (text,))) == flag


def test_addresses() -> None:
    assert is_address("prenom.nom@structure.mssante.fr") and is_address("a@mssante.apicrypt.org")
    bad = ("a@b", "a b@c.fr", "a@c..fr", "a@", "@c.fr", "é@c.fr", "a@c.fr\n", "x" * 250 + "@c.fr")
    assert not [text for text in bad if is_address(text)]
    assert domain_of("A@Structure.MSSANTE.fr") == "structure.mssante.fr" and domain_of("rien") == ""


def test_usagers() -> None:
    assert usager_matricule("279035121518989@PATIENT.mssante.fr") == "279035121518989"
    assert usager_matricule("279032a21518989@patient.mssante.fr") == "279032A21518989"  # born in Corsica
    for local in ("27903512151898", "2790351215189899", "27903A121518989", "279032C21518989"):
        assert is_usager(f"{local}@patient.mssante.fr") and usager_matricule(f"{local}@patient.mssante.fr") is None
    assert usager_matricule("279035121518989@ehpad-test.mssante.fr") is None
    assert usager_address("279035121518989") == "279035121518989@patient.mssante.fr"
    with pytest.raises(ValueError, match="15 characters"):
        usager_address("27903512151898")


def test_product_references() -> None:
    assert is_nil("TEST0001") and is_nil("a/b-1.2_c")
    assert not is_nil("") and not is_nil("deux mots") and not is_nil("x" * 33)
