"""Which rows are one establishment: by number, then postcode and name, never by city or contact; fragments by their order."""
from __future__ import annotations

from pathlib import Path

import pytest

from gateway.grappes.importing.checking import Checked, check
from gateway.grappes.importing.files import documents_in
from gateway.grappes.importing.names import alike, simplified

A, B, C = "010000008", "010000016", "010000024"
HEADER = "FINESS ET;Établissement;Code postal;Ville"


def checked(folder: Path, **files: str) -> Checked:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text.strip().replace("\n    ", "\n") + "\n", "utf-8")
    [documents] = documents_in([folder])
    return check(documents)


def rows(found: Checked) -> list[tuple[int, str, str, str, str]]:
    return [(one.ligne, one.name, one.verdict.retenu, one.verdict.statut, one.verdict.regle) for one in found.establishments]


def test_numbers_swapped_between_two_rows_do_not_pass_unseen(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        convention=f"{HEADER}\n{A};EHPAD Un;01000;X\n{B};EHPAD Deux;01000;X",
        signatures=f"{HEADER}\n{B};EHPAD Un;01000;X\n{A};EHPAD Deux;01000;X",
    )
    assert [(row[2], row[4]) for row in rows(found)] == [(A, "R2"), (B, "R2")]
    assert {row[3] for row in rows(found)} == {"a_verifier"}


def test_another_row_s_number_in_the_second_table_never_fuses_two_establishments(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        convention=f"{HEADER}\n{A};EHPAD Un;01000;X\n{B};EHPAD Deux;01000;X",
        signatures=f"{HEADER}\n{B};EHPAD Un;01000;X\n{B};EHPAD Deux;01000;X",
    )
    assert rows(found) == [(1, "EHPAD Un", A, "a_verifier", "R2"), (2, "EHPAD Deux", B, "confirme", "R0")]


def test_city_and_contact_join_nothing(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        convention=f"{HEADER};Contact\n{A};EHPAD Un;01000;X;accueil",
        signatures=f"{HEADER};Contact\n{B};MAS Autre;01000;X;accueil",
    )
    assert [row[:3] for row in rows(found)] == [(1, "EHPAD Un", A), (2, "MAS Autre", B)]
    assert any("absent de l'autre tableau" in remark for remark in found.remarks)


def test_a_city_spelled_otherwise_separates_nothing(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        convention=f"{HEADER}\n{A};RES AUTONOMIE L'ÉTÉ;01000;MONTVILLIERS",
        signatures=f"{HEADER}\n01000009;Résidence autonomie l ete;01000;MONTVILLERS",
    )
    assert [row[2:] for row in rows(found)] == [(A, "confirme", "R2")]


def test_a_letter_that_differs_in_a_name_under_one_postcode(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        convention=f"{HEADER}\n{A};RESIDENCE LES BOUGAINVILLIERS;01000;X\n{B};RESIDENCE 1;01000;X\n{C};RESIDENCE 2;01000;X",
        signatures=f"{HEADER}\n01000008;RESIDENCE LES BOUGAINVILLERS;01000;X\n{B};RESIDENCE 1;01000;X\n{C};RESIDENCE 2;01000;X",
    )
    assert [row[4] for row in rows(found)] == ["R4", "R0", "R0"]


def test_a_name_alone_joins_nothing_across_two_postcodes(tmp_path: Path) -> None:
    found = checked(
        tmp_path, convention=f"{HEADER}\n{A};SAD;01000;X", signatures=f"{HEADER}\n{B};SAD;01200;Y",
    )  # fmt: skip
    assert len(found.establishments) == 2


def test_the_longest_table_numbers_the_rows_and_the_convention_is_what_was_typed(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        annexe=f"ligne;{HEADER}\n7;{B};MAS;01000;X\n8;01 000 000 8;EHPAD;01000;X",
        convention=f"ligne;{HEADER}\n1;{A};EHPAD;01000;X",
    )
    assert [(one.ligne, one.saisi, one.verdict.regle) for one in found.establishments] == [(7, B, "R0"), (8, A, "R1")]


def test_a_row_typed_twice_is_one_establishment_and_two_sites_are_not(tmp_path: Path) -> None:
    found = checked(
        tmp_path, convention=f"{HEADER}\n{A};EHPAD;01000;X\n{A};EHPAD;01000;X\n{B};MAS Un;01000;X\n{B};MAS Deux;01000;X",
    )  # fmt: skip
    assert [(row[0], row[4]) for row in rows(found)] == [(1, "R0"), (3, "R8"), (4, "R8")]
    assert found.establishments[0].remarks == ("répété : convention.csv, ligne 3",)


def test_fragments_without_a_key_follow_their_order(tmp_path: Path) -> None:
    found = checked(
        tmp_path, declaration=f"FINESS géographique;Raison sociale\n{A};EHPAD\n{B};MAS", projet="Personnes;SONS\n40;oul\n;NON",
    )  # fmt: skip
    assert [(one.persons, one.sons) for one in found.establishments] == [(40, True), (None, False)]


def test_a_fragment_of_another_length_is_not_laid_beside(tmp_path: Path) -> None:
    found = checked(
        tmp_path, declaration=f"FINESS géographique;Raison sociale\n{A};EHPAD\n{B};MAS", projet="Personnes;SONS\n40;oul",
    )  # fmt: skip
    assert [one.persons for one in found.establishments] == [None, None]
    assert "projet.csv : 1 lignes sans clé, 2 dans declaration.csv ; non rapproché, complétez le fragment." in found.remarks


def test_fragments_that_number_their_rows_follow_the_numbers(tmp_path: Path) -> None:
    found = checked(
        tmp_path, declaration=f"ligne;FINESS géographique;Raison sociale\n1;{A};EHPAD\n2;{B};MAS",
        projet="ligne;Personnes;SONS\n2;25;non\n1;40;oui",
    )  # fmt: skip
    assert [one.persons for one in found.establishments] == [40, 25]


def test_a_numbered_row_left_blank_in_a_fragment_is_still_a_row(tmp_path: Path) -> None:
    found = checked(
        tmp_path, declaration=f"ligne;FINESS géographique;Raison sociale\n1;{A};EHPAD\n2;{B};MAS\n3;;",
        projet="ligne;Personnes\n1;40\n2;",
    )  # fmt: skip
    assert [one.persons for one in found.establishments] == [40, None]
    assert "nombre de personnes absent : taux non calculable" in found.establishments[1].remarks


def test_a_table_of_names_completes_and_never_adds(tmp_path: Path) -> None:
    found = checked(
        tmp_path, convention=f"{HEADER}\n{A};EHPAD des Lilas;01000;X", persons="Établissement;Personnes\nEHPAD Lilas;40\nAutre;3",
    )  # fmt: skip
    assert [one.persons for one in found.establishments] == [40]
    assert "persons.csv, ligne 3 : établissement non retrouvé dans les tableaux qui portent les numéros." in found.remarks


def test_two_numbers_of_persons_for_one_establishment_must_be_corrected(tmp_path: Path) -> None:
    found = checked(
        tmp_path, convention=f"{HEADER};Personnes\n{A};EHPAD;01000;X;40", annexe=f"{HEADER};Personnes\n{A};EHPAD;01000;X;41",
    )  # fmt: skip
    [error] = found.errors
    assert "deux nombres de personnes" in error
    assert "convention.csv, ligne 2, colonne E « Personnes »" in error


def test_a_row_typed_twice_with_two_numbers_of_persons_must_be_corrected(tmp_path: Path) -> None:
    found = checked(tmp_path, convention=f"FINESS ET;Établissement;Personnes\n{A};EHPAD Un;40\n{A};EHPAD Un;44")
    [error] = found.errors
    assert "deux nombres de personnes pour un établissement, 40 (" in error and " et 44 (" in error
    assert [one.persons for one in found.establishments] == [None]


def test_merged_cells_give_their_organisation_to_the_rows_below(tmp_path: Path) -> None:
    found = checked(
        tmp_path, annexe=f"OG;FINESS EJ;FINESS ET;Établissement\nCCAS;{C};{A};RA Un\n;;{B};RA Deux",
    )  # fmt: skip
    assert [one.entity.verdict.retenu for one in found.establishments if one.entity] == [C, C]


def test_cells_merged_with_one_organisation_say_nothing_of_the_one_before(tmp_path: Path) -> None:
    table = f"OG;FINESS ET;Établissement;FINESS EJ\nUn;{A};RA Un;{C}\nDeux;{B};RA Deux\n;010000032;RA Trois;"
    found = checked(tmp_path, annexe=table)
    assert [one.entity.verdict.retenu if one.entity else None for one in found.establishments] == [C, None, None]


def test_the_porteur_s_column_is_nobody_s_own_number(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        declaration=f"OG;FINESS EJ porteur;FINESS EJ rattachement;FINESS ET;Nom\nUn;{C};{C};{A};RA\nDeux;{C};010000032;{B};SAD",
    )
    assert [(one.name, one.verdict.retenu) for one in found.entities] == [("Un", C), ("Deux", "010000032")]
    assert [one.is_porteur for one in found.entities] == [True, False]
    assert [one.entity.name for one in found.establishments if one.entity] == ["Un", "Deux"]


def test_a_list_of_organisations_is_no_fragment(tmp_path: Path) -> None:
    found = checked(
        tmp_path, annexe=f"OG;FINESS ET;Établissement\nDeux;{A};SAD\nUn;{B};RA", og=f"OG;FINESS EJ\nUn;{C}\nDeux;010000032",
    )  # fmt: skip
    assert [(one.label, one.entity.verdict.retenu) for one in found.establishments if one.entity] == [
        ("Deux - SAD", "010000032"), ("Un - RA", C),
    ]  # fmt: skip


def test_an_entity_s_number_where_an_establishment_s_is_due(tmp_path: Path) -> None:
    found = checked(tmp_path, annexe=f"OG;FINESS EJ;FINESS ET;Établissement\nCCAS;{C};{C};RA Un\nCCAS;{C};{B};RA Deux")
    assert [row[2:] for row in rows(found)] == [(C, "a_verifier", "R8"), (B, "confirme", "R0")]
    assert "entité juridique" in found.establishments[0].verdict.justification


def test_entities_without_names_gather_their_variants(tmp_path: Path) -> None:
    found = checked(
        tmp_path, annexe=f"FINESS EJ;FINESS ET;Établissement\n{C};{A};RA Un\n010000034;{B};RA Deux\n{C};010000032;RA Trois",
    )  # fmt: skip
    assert [(one.verdict.retenu, one.verdict.regle) for one in found.entities] == [(C, "R9")]


@pytest.mark.parametrize("first, second", [
    ("RES. AUTONOMIE L'Été", "Résidence Autonomie - l'été"), ("RA (Résidence Autonomie) Pinsons", "RA Pinsons"),
    ("Logement-Foyer ST JEAN", "LF Saint Jean"), ("EHPAD Les Chênes MC", "EHPAD les Chenes"), ("5SIAD DU LAC", "SSIAD du lac"),
    ("CAJ Le Port", "Accueil de jour Le Port"), ("Notre Dame des Flots", "N.D. des flots".replace(".", "")),
])  # fmt: skip
def test_names_that_are_one(first: str, second: str) -> None:
    assert simplified(first) == simplified(second)


def test_names_that_are_not_one() -> None:
    assert simplified("MC DONALD") == "MC DONALD"
    assert not alike("RESIDENCE 1", "RESIDENCE 2")
    assert not alike("EHPAD LILAS", "EHPAD ROSES")
