"""The INS datamatrix: published and composed examples, read and written back, and what is none."""
from __future__ import annotations

import os
from contextlib import suppress
from datetime import date
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.insi.datamatrix import Datamatrix, InvalidDatamatrix, read, write

GS = "\x1d"
HEAD = "IS010000000000000000000000"
IDENTITY = Datamatrix("255069910012361", "1.2.250.1.213.1.4.8", "ANNE MARIE", "D'EXEMPLE", "F", date(1955, 6, 5), "99100")
BLOCKS = {
    "S1": "S1255069910012361", "S2": f"S21.2.250.1.213.1.4.8{GS}", "S3": f"S3ANNE MARIE{GS}", "S4": f"S4D'EXEMPLE{GS}",
    "S5": "S5F", "S6": "S605-06-1955", "S7": "S799100",
}  # fmt: skip
TEXT = HEAD + "".join(BLOCKS.values())


def test_it_is_written_in_order_and_read_back() -> None:
    assert write(IDENTITY) == TEXT
    assert read(TEXT) == IDENTITY


def test_blocks_are_read_in_any_order_and_the_last_needs_no_end() -> None:
    shuffled = HEAD + "".join(BLOCKS[name] for name in ("S6", "S4", "S1", "S7", "S5", "S2", "S3"))
    assert read(shuffled) == read(shuffled.removesuffix(GS)) == IDENTITY


def test_the_place_may_be_absent() -> None:
    without = Datamatrix(*(getattr(IDENTITY, name) for name in Datamatrix.__slots__[:-1]))
    assert write(without) == TEXT.removesuffix("S799100")
    assert read(write(without)) == without


def test_a_block_of_its_greatest_length_has_no_end() -> None:
    long = Datamatrix("255069910012361", "2" * 20, "A" * 100, "B" * 100, "F", date(1955, 6, 5), "99100")
    assert GS not in write(long)
    assert read(write(long)) == long


def test_every_vector_of_the_reference_is_read_and_written_back_to_the_letter() -> None:
    folder = os.environ.get("SOCLE_REFERENCE_DATA")
    if not folder:
        pytest.skip("SOCLE_REFERENCE_DATA does not name the folder of reference data")
    vectors = orjson.loads((Path(folder) / "insi" / "datamatrix-vectors.json").read_bytes())["vectors"]
    assert len(vectors) >= 4
    for vector in vectors:
        assert write(read(vector["payload"])) == vector["payload"]


@pytest.mark.parametrize(("text", "reason", "block"), [
    ("", "header", None),
    ("DC04" + TEXT[4:], "header", None),
    ("IS02" + TEXT[4:], "header", None),
    (TEXT[1:], "header", None),
    (TEXT + "S8X", "block", None),
    (TEXT + "S", "block", None),
    (TEXT + GS, "block", None),
    (TEXT + "S799100", "duplicate", "S7"),
    (TEXT.replace(BLOCKS["S5"], ""), "missing", "S5"),
    (HEAD, "missing", "S1"),
    (TEXT.removesuffix("0"), "length", "S7"),
    (HEAD + "S12550699100123", "length", "S1"),
    (TEXT.replace("ANNE MARIE", ""), "length", "S3"),
    (TEXT.replace("1.2.250.1.213.1.4.8", "1.2.250"), "length", "S2"),
    (TEXT.replace("05-06-1955", "31-02-1955"), "birth_date", "S6"),
    (TEXT.replace("05-06-1955", "1955-06-05"), "birth_date", "S6"),
    (TEXT.replace("05-06-1955", "٠5-06-1955"), "birth_date", "S6"),
    (TEXT.replace("05-06-1955", "+5- 6-1_55"), "birth_date", "S6"),
    (TEXT.replace("05-06-1955", f"05-0{GS}-1955"), "length", "S6"),
])  # fmt: skip
def test_what_is_none_says_why_and_shows_nothing(text: str, reason: str, block: str | None) -> None:
    with pytest.raises(InvalidDatamatrix) as caught:
        read(text)
    assert (caught.value.reason, caught.value.block) == (reason, block)
    assert "255069910012361" not in str(caught.value) + repr(IDENTITY)


@pytest.mark.parametrize(("name", "value"), [
    ("matricule", "2550699100123"), ("oid", "1.2.250"), ("first_names", ""), ("birth_name", "B" * 101), ("sex", "FF"),
    ("birth_place", "9910"), ("birth_name", f"B{GS}S5M"),
])  # fmt: skip
def test_what_no_block_can_hold_is_not_written(name: str, value: str) -> None:
    values = {one: getattr(IDENTITY, one) for one in Datamatrix.__slots__}
    with pytest.raises(InvalidDatamatrix):
        write(Datamatrix(**values | {name: value}))


NAMES = st.text(st.characters(codec="ascii", exclude_characters=GS), min_size=1, max_size=100)


OIDS = st.sampled_from(["1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.10"])  # 19 and 20 characters


@given(NAMES, NAMES, st.dates(), st.sampled_from(["99100", None]), OIDS)
def test_whatever_is_written_is_read_back(first: str, birth: str, day: date, place: str | None, oid: str) -> None:
    identity = Datamatrix("255069910012361", oid, first, birth, "F", day, place)
    assert read(write(identity)) == identity


@given(st.text(max_size=200), st.booleans())
def test_any_text_is_read_or_refused(text: str, headed: bool) -> None:
    with suppress(InvalidDatamatrix):
        read((HEAD if headed else "") + text)
