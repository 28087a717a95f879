"""UserInfo of the population (psc-annuaire §6)."""
from __future__ import annotations

from mocks.psc.identity import userinfo
from tests.mocks.psc.sandboxes import PROFESSIONALS, STRUCTURES

NURSE, EDUCATOR, ROLE, DOCTOR = PROFESSIONALS
EHPAD = {"0B0990016": {**STRUCTURES[0], "struct_id": "10B0990016"}}


def test_userinfo_has_the_published_shape() -> None:
    answer = userinfo(NURSE, EHPAD, "CARD")
    assert answer["sub"].startswith("f:") and answer["sub"].endswith(":899700990015")
    assert answer["SubjectNameID"] == answer["preferred_username"] == "899700990015"
    assert answer["otherIds"] == [{"identifiant": "899700990015", "origine": "RPPS", "qualite": 1}]
    assert (answer["Secteur_Activite"], answer["SubjectOrganizationID"]) == ("SA17^1.2.250.1.71.4.2.4", "F0B0990016")
    assert answer["SubjectRole"] == ["60^1.2.250.1.213.1.1.5.5"]
    assert not {"name", "email"} & set(answer)

    [exercice] = answer["SubjectRefPro"]["exercices"]
    assert (exercice["codeProfession"], exercice["codeCiviliteDexercice"], exercice["codeSavoirFaire"]) == ("60", "", "")
    [activity] = exercice["activities"]
    assert len(activity) == 30 and all(isinstance(value, str) for value in activity.values())
    assert activity["numeroFinessSite"] == "0B0990016"
    assert activity["numeroFinessetablissementJuridique"] == "0B0990008"
    assert activity["ancienIdentifiantDeLaStructure"] == "10B0990016"
    assert activity["autoriteDenregistrement"] == "ONI/ONI/ONI"
    assert (activity["telephone"], activity["numeroSiretSite"]) == ("", "")


def test_rpps_plus_people_are_registered_by_their_employer() -> None:
    educator = userinfo(EDUCATOR, {"0B0990024": {**STRUCTURES[1], "struct_id": "10B0990024"}}, "MOBILE")
    role = userinfo(ROLE, EHPAD, "MOBILE")
    for answer, profession, code, kind in ((educator, "51", "326", "GENR10"), (role, "99", "350", "GENR11")):
        [exercice] = answer["SubjectRefPro"]["exercices"]
        [activity] = exercice["activities"]
        assert (exercice["codeProfession"], activity["codeRole"], activity["codeGenreActivite"]) == (profession, code, kind)
        assert activity["autoriteDenregistrement"] == "ENREG/ENREG/ENREG" and answer["authMode"] == "MOBILE"


def test_a_person_without_structure_has_no_activity() -> None:
    answer = userinfo(DOCTOR, {}, "CARD")
    assert (answer["Secteur_Activite"], answer["SubjectOrganization"], answer["SubjectOrganizationID"]) == ("", "", "")
    [exercice] = answer["SubjectRefPro"]["exercices"]
    assert exercice["activities"] == [] and (exercice["codeTypeSavoirFaire"], exercice["codeCiviliteDexercice"]) == ("S", "DR")
