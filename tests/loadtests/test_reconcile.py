"""The equations of design §9: each one holds on a whole run and breaks by one line."""
from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from loadtests.reconcile import Run, gaps, read_run
from loadtests.sent import SentFile

FEED, SEARCH, MAIL = "DMP.TD2.1", "INS.RECHERCHE_TRAITS", "MSS.SOUMISSION"
BOUND = " (écart permis : {}, appels sans réponse)"

#: Ten feeds of which one was refused by the gateway itself, one refused by the DMP, one in doubt and held.
WHOLE = Run(
    sent={FEED: 10, SEARCH: 4}, answered={FEED: 10, SEARCH: 4}, journal={FEED: 10, SEARCH: 4},
    forwarded={FEED: 9, SEARCH: 4}, received={FEED: 9, SEARCH: 4}, held={FEED: 8}, counted={FEED: 7},
    in_doubt={FEED: 1}, in_doubt_held={FEED: 1},
)  # fmt: skip


def test_a_whole_run_has_no_gap() -> None:
    assert gaps(WHOLE) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"journal": {FEED: 9, SEARCH: 4}}, "DMP.TD2.1 : envoyés = journal — 10 contre 9"),
        ({"journal": {FEED: 10, SEARCH: 5}}, "INS.RECHERCHE_TRAITS : envoyés = journal — 4 contre 5"),
        ({"received": {FEED: 10, SEARCH: 4}}, "DMP.TD2.1 : transmis = reçus — 9 contre 10"),
        ({"forwarded": {FEED: 9, SEARCH: 3}}, "INS.RECHERCHE_TRAITS : transmis = reçus — 3 contre 4"),
        ({"held": {FEED: 9}}, "DMP.TD2.1 : détenus = comptés + en doute détenus — 9 contre 8"),
        ({"counted": {FEED: 8}}, "DMP.TD2.1 : détenus = comptés + en doute détenus — 8 contre 9"),
        ({"in_doubt_held": {}}, "DMP.TD2.1 : détenus = comptés + en doute détenus — 8 contre 7"),
        ({"held": {FEED: 8, MAIL: 1}}, "MSS.SOUMISSION : détenus = comptés + en doute détenus — 1 contre 0"),
    ],
)
def test_one_line_more_or_less_is_named(change: dict[str, dict[str, int]], said: str) -> None:
    assert gaps(replace(WHOLE, **change)) == [said]


def test_an_operation_that_only_the_mock_saw_is_named() -> None:
    run = replace(WHOLE, received={FEED: 9, SEARCH: 4, "ANN.RECHERCHE": 1})
    assert gaps(run) == ["ANN.RECHERCHE : transmis = reçus — 0 contre 1"]


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_in_which_nothing_was_sent_reconciles_nothing(killed: bool) -> None:
    nothing: dict[str, int] = {}
    [gap] = gaps(Run(*[nothing] * 9), killed=killed)
    assert "aucun appel" in gap


def test_an_open_intent_is_a_gap() -> None:
    [gap] = gaps(replace(WHOLE, intents=2))
    assert gap.startswith("2 intention(s) encore ouverte(s)")


#: Killed once: of ten feeds, two had no answer; one of these is in doubt and held, the other left nothing anywhere.
KILLED = Run(
    sent={FEED: 10, SEARCH: 6}, answered={FEED: 8, SEARCH: 5}, journal={FEED: 9, SEARCH: 5},
    forwarded={FEED: 9, SEARCH: 5}, received={FEED: 9, SEARCH: 6}, held={FEED: 9}, counted={FEED: 8},
    in_doubt={FEED: 1}, in_doubt_held={FEED: 1},
)  # fmt: skip


def test_a_killed_run_reconciles_within_the_calls_left_without_an_answer() -> None:
    assert gaps(KILLED, killed=True) == []
    assert gaps(KILLED) != []  # the plain equations are stricter, as they must be


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"journal": {FEED: 7, SEARCH: 5}}, "DMP.TD2.1 : répondus ≤ journal — 8 contre 7"),
        ({"journal": {FEED: 11, SEARCH: 5}}, "DMP.TD2.1 : journal ≤ envoyés — 11 contre 10"),
        ({"received": {FEED: 12, SEARCH: 6}}, f"DMP.TD2.1 : transmis ~ reçus — 9 contre 12{BOUND.format(2)}"),
        ({"received": {FEED: 9, SEARCH: 7}}, f"INS.RECHERCHE_TRAITS : transmis ~ reçus — 5 contre 7{BOUND.format(1)}"),
        ({"held": {FEED: 10}}, "DMP.TD2.1 : détenus = comptés + en doute détenus — 10 contre 9"),
    ],
)
def test_a_kill_excuses_nothing_more(change: dict[str, dict[str, int]], said: str) -> None:
    assert gaps(replace(KILLED, **change), killed=True) == [said]


def test_the_bound_of_a_kill_is_zero_where_every_call_was_answered() -> None:
    answered = replace(KILLED, answered={FEED: 8, SEARCH: 6}, journal={FEED: 9, SEARCH: 6})
    assert gaps(answered, killed=True) == ["INS.RECHERCHE_TRAITS : transmis ~ reçus — 5 contre 6"]


def name_of(unit: str) -> str:
    return hashlib.sha256(unit.encode()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder of two feeds, as the writers leave it."""
    sent = SentFile(tmp_path)
    for unit in ("1.2.3.1", "1.2.3.2"):
        with sent.call(FEED, unit) as call:
            call.read("Success")
    sent.close()
    mocks = tmp_path / "data/mocks"
    mocks.mkdir(parents=True)
    (mocks / "received.jsonl").write_bytes(b"".join(orjson.dumps({"op": FEED, "at": "x"}) + b"\n" for _ in range(2)))
    (mocks / "held.jsonl").write_bytes(
        b"".join(orjson.dumps({"op": FEED, "unit": name_of(unit), "at": "x"}) + b"\n" for unit in ("1.2.3.1", "1.2.3.2"))
    )
    two = {FEED: 2}
    counts = {"journal": two, "forwarded": two, "counted": two, "in_doubt": {}, "in_doubt_held": {}, "intents": 0}
    (tmp_path / "journal-counts.json").write_bytes(orjson.dumps(counts))
    return tmp_path


def test_files_of_a_whole_run_reconcile(folder: Path) -> None:
    assert gaps(read_run(folder)) == []


def test_a_forged_received_line_is_found(folder: Path) -> None:
    with (folder / "data/mocks/received.jsonl").open("ab") as file:
        file.write(orjson.dumps({"op": FEED, "at": "x"}) + b"\n")
    assert gaps(read_run(folder)) == ["DMP.TD2.1 : transmis = reçus — 2 contre 3"]


def test_a_held_line_copied_is_not_a_second_effect(folder: Path) -> None:
    path = folder / "data/mocks/held.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])
    found = gaps(read_run(folder))
    assert "held.jsonl : une unité de DMP.TD2.1 y figure 2 fois" in found


def test_an_effect_swapped_for_another_is_found_though_the_counts_agree(folder: Path) -> None:
    path = folder / "data/mocks/held.jsonl"
    path.write_bytes(path.read_bytes().replace(name_of("1.2.3.2").encode(), name_of("9.9").encode()))
    assert gaps(read_run(folder)) == [
        "DMP.TD2.1 : 1 effet(s) annoncé(s) réussi(s) au DUI, qu'aucun service ne détient",
        "DMP.TD2.1 : 1 effet(s) détenu(s) que personne n'a envoyé(s)",
    ]


def test_a_torn_line_and_a_missing_file_are_gaps(folder: Path) -> None:
    with (folder / "sent.jsonl").open("ab") as file:
        file.write(b'{"n": 3, "op"')
    (folder / "data/mocks/held.jsonl").unlink()
    found = gaps(read_run(folder))
    assert "sent.jsonl, ligne 3 : illisible" in found
    assert "held.jsonl : fichier absent de l'exécution" in found


def test_an_answer_to_a_call_never_sent_is_a_gap(folder: Path) -> None:
    with (folder / "answered.jsonl").open("ab") as file:
        file.write(orjson.dumps({"n": 99, "op": FEED}) + b"\n")
    assert any("l'appel n° 99" in gap for gap in gaps(read_run(folder)))


def test_a_call_is_on_disk_before_its_body_runs(tmp_path: Path) -> None:
    sent = SentFile(tmp_path)
    with pytest.raises(ConnectionError), sent.call(FEED, "1.2.3"):
        assert orjson.loads((tmp_path / "sent.jsonl").read_bytes())["unit"] == "1.2.3"
        raise ConnectionError
    sent.close()
    assert (tmp_path / "answered.jsonl").read_bytes() == b""
    assert sent.sent == {FEED: 1}
