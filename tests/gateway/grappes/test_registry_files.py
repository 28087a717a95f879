"""Registry files: what is written is read back, what is wrong is named."""
from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.grappes.finess import from_institution, normalise, zone_of
from gateway.grappes.install import install, sandbox_grappe, structures_of
from gateway.grappes.model import Denominator
from gateway.grappes.reading import RegistryError, example, read_grappe, write_grappe
from gateway.grappes.registry import Registry

MANIFEST = {"structures": [{
    "finess_et": "130790199", "finess_ej": "130804289", "name": "RESIDENCE FOYER LES CARMES", "sector": "SA17",
    "category": "202", "mailboxes": [{"address": "carmes@ccas.mssante.test", "type": "ORG"}],
}]}
BOXES = [("130798309", "Marie.TEST@ccas.mssante.test")]


def test_installing_gives_mailboxes_to_the_essms_of_the_manifest(tmp_path: Path) -> None:
    install(example("marseille-hyeres"), MANIFEST, BOXES, tmp_path / "grappes")
    registry = Registry.load(tmp_path / "grappes")
    given = {one.finess_et: [box.address for box in one.mailboxes] for one in registry.grappe("marseille-hyeres").essms}
    assert given.pop("130790199") == ["carmes@ccas.mssante.test"]
    assert given.pop("130798309") == ["Marie.TEST@ccas.mssante.test"]
    assert set(map(tuple, given.values())) == {()}


def test_installing_twice_changes_nothing(tmp_path: Path) -> None:
    path = install(example("marseille-hyeres"), MANIFEST, BOXES, tmp_path)
    before = path.read_bytes()
    install(read_grappe(path), MANIFEST, BOXES, tmp_path)
    assert path.read_bytes() == before


def test_no_folder_is_an_empty_registry(tmp_path: Path) -> None:
    assert Registry.load(tmp_path / "absent").grappes == {}


def test_the_structures_given_to_the_sandbox_keep_the_missing_number() -> None:
    structures = structures_of(example("marseille-hyeres"))
    assert structures[0] == {
        "finess_et": "130038748", "finess_ej": "130804289", "name": "ACCUEIL JOUR ALZHEIMER RES SAINT TRONC",
        "sector": "SA17", "category": "207", "persons": 25,
    }
    assert structures[11]["persons"] is None


def test_the_sandbox_s_own_structures_become_a_grappe() -> None:
    [essms] = sandbox_grappe(MANIFEST, {"130790199": 2}).essms
    assert (essms.finess_et, essms.persons) == ("130790199", 2)


def broken(path: Path, change: Any) -> Path:
    content = orjson.loads(write_grappe(example("marseille-hyeres")))
    change(content)
    path.write_bytes(orjson.dumps(content))
    return path


@pytest.mark.parametrize("change, message", [
    (lambda g: g["essms"][4].pop("finess_et"), r"essms\.4\.finess_et : champ obligatoire absent"),
    (lambda g: g["essms"][4].update(contact="x"), r"essms\.4\.contact : champ inconnu"),
    (lambda g: g["essms"][4]["denominators"][0].update(persons=-1), r"essms\.4\.denominators\.0\.persons : valeur non acceptée"),
    (lambda g: g["essms"][4].update(finess_et="13079019"), "neuf caractères"),
    (lambda g: g["essms"][4].update(finess_et="130798309", saisi="130798309"), "130798309 : présent 2 fois"),
    (lambda g: g["essms"][4].update(finess_et="130804289", saisi="130804289"), "numéro d'entité juridique"),
    (lambda g: g["essms"][4].update(finess_ej="130000001"), "entité juridique 130000001 absente"),
    (lambda g: g["essms"][2].update(decision=None), "numéro corrigé sans décision"),
    (lambda g: g["essms"][4].update(saisi="130790198"), "numéro corrigé sans décision"),
    (lambda g: g["essms"][4]["denominators"].append(g["essms"][4]["denominators"][0]), "deux dénominateurs le 2025-06-06"),
    (lambda g: g["essms"][4]["denominators"][0].update(population_eligible_dmp=50), "réduite sans exclusion déclarée"),
    (lambda g: g["essms"][4]["denominators"][0].update(population_eligible_dmp=62), "supérieure aux personnes"),
    (lambda g: g.update(porteur_ej="130000001"), "porteur_ej 130000001"),
])
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, change: Any, message: str) -> None:
    assert read_grappe(broken(tmp_path / "g.json", lambda content: None)) == example("marseille-hyeres")
    with pytest.raises(RegistryError, match=message):
        read_grappe(broken(tmp_path / "g.json", change))


def test_what_is_not_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text("{")
    with pytest.raises(RegistryError, match=r"g\.json, fichier entier : JSON illisible"):
        Registry.load(tmp_path)


def test_the_denominator_in_force_is_the_last_declared_before_the_day() -> None:
    first, second = Denominator(date(2025, 6, 6), 61, "declaration_projet"), Denominator(date(2026, 6, 1), 70, "anap", "arrete")
    essms = replace(example("marseille-hyeres").essms[4], denominators=(second, first))
    assert essms.denominator(date(2025, 6, 5)) is None
    assert essms.denominator(date(2026, 5, 31)) == first
    assert essms.denominator(date(2026, 6, 1)) == second
    assert essms.persons == 70


def test_each_socle_rate_has_its_own_eligible_subset() -> None:
    reduced = Denominator(date(2025, 6, 6), 61, "declaration", population_eligible_dmp=50, motif_exclusion="accueil_ponctuel")
    assert (reduced.of("IND-MSS-01"), reduced.of("IND-DMP-01")) == (61, 50)


def test_numbers_as_typed_are_cleaned_never_padded() -> None:
    assert normalise("66 078 444 8") == "660784448"
    assert normalise("6 000 479 7") == "60004797"
    assert normalise("2b 000 001 9|") == "2B0000019"


def test_only_the_finess_prefix_is_removed_from_an_institution() -> None:
    assert from_institution("1130790199") == from_institution("130790199") == "130790199"
    assert from_institution("10b0990016") == "0B0990016"
    assert from_institution("318751275100020") == "318751275100020"


@pytest.mark.parametrize("finess, zone", [
    ("130790199", "Europe/Paris"), ("2A0000012", "Europe/Paris"), ("970100012", "America/Guadeloupe"),
    ("970200012", "America/Martinique"), ("970300012", "America/Cayenne"), ("970400012", "Indian/Reunion"),
    ("970500012", "America/Miquelon"), ("980500012", "Indian/Mayotte"),
])
def test_the_zone_follows_the_prefix(finess: str, zone: str) -> None:
    assert zone_of(finess).key == zone
