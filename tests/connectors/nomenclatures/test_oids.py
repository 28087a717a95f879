from collections.abc import Callable

from connectors.nomenclatures import oids


def test_every_oid_is_one_and_has_one_name() -> None:
    values = [value for name, value in vars(oids).items() if name.isupper() and isinstance(value, str)]
    assert len(values) > 15
    assert len(set(values)) == len(values)
    assert all(all(arc.isdecimal() for arc in value.split(".")) for value in values)


def test_only_test_natures_are_refused_in_production() -> None:
    assert {oids.INS_NIR_TEST, oids.INS_NIR_DEMO} == oids.INS_SANDBOX_OIDS < oids.INS_OIDS


def test_natures_are_the_published_ones(reference: Callable[[str], list[dict[str, str]]]) -> None:
    published = {row["fhir_type_code"]: row["oid"] for row in reference("insi/oids.csv") if row["fhir_type_code"]}
    ours = {"INS-NIR": oids.INS_NIR, "INS-NIA": oids.INS_NIA, "INS-NIR-TEST": oids.INS_NIR_TEST, "INS-C": oids.INS_C}
    assert {code: published[code] for code in ours} == ours
