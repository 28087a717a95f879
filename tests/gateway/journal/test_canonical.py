"""The canonical JSON of an entry: pinned, exact, and unable to hold what it must not."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal import drafts, refs
from gateway.journal import vault as vaults
from gateway.journal.canonical import encode, text_of
from gateway.journal.drafts import draft_of
from gateway.journal.record import Body, Count, Dui, Exchange, Named, Recipients, Record
from gateway.journal.store import Store
from gateway.journal.vault import Vault
from tests.gateway.journal.world import BORN, SENDER, HandClock, feed, open_journal, rows

GOLDEN = Path(__file__).parent / "golden" / "entry-v1.json"
OTHER_KINDS = GOLDEN.with_name("other-kinds-v1.ndjson")


def _complete_record() -> Record:
    message = Named("message", f"{SENDER}\n<1@ehpad.test>")
    return Record(
        "MSS.SOUMISSION", id="0195d5f2-0000-7000-8000-000000000001", event_time=BORN, clock_version=3, tenant="editeur-a",
        outcome="ok", service_code="250 2.0.0", flags=["V-NIL", "F-DELAI"], finess_et="130784507", finess_ej="130000001",
        attribution="bal", dui=Dui("NIL-1", "DUI « Été »", "4.2"), professional=Named("professional", "899700000001"),
        person=Named("person", "279035121518989"), ins_status="VALI", document_type="34133-9", channel="mss_pro",
        message=message, recipients=Recipients(pro=2, citoyen=1), documents=[Named("document", "1.2.3")],
        exchanges=[Exchange(None, 15), Exchange("250", 1200)], gateway_us=310, journal_us=450,
        bodies=[Body("request", 4096, hashlib.sha256(b"body").digest())], counts_for=[Count("IND-MSS-01", message)],
        verdict={"rules": "mss-1", "sha256": "ab" * 32}, fault="fault-1", replays="0195d5f2-0000-7000-8000-000000000000",
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """One in which nothing is drawn."""
    numbers = count(1)
    for user in (drafts, vaults):
        monkeypatch.setattr(user, "random_bytes", lambda size: next(numbers).to_bytes(2, "big") * (size // 2))
    monkeypatch.setattr(refs.Refs, "_name", lambda self: (next(numbers).to_bytes(2, "big") * 8).hex())
    vault = Vault(tmp_path / "keys", b"k" * 32, b"l" * 32, None, "bac_a_sable")
    store = Store(tmp_path / "journal.sqlite3", vault, HandClock(), boot_id="b" * 32, log_id=1)
    yield store
    store.close()


def test_the_form_of_an_entry_is_pinned(store: Store) -> None:
    with store.transaction():
        entry = store.append(draft_of(_complete_record(), "bac_a_sable", HandClock()))
    assert entry.body == GOLDEN.read_bytes()


def test_the_form_of_the_other_kinds_is_pinned(store: Store) -> None:
    """A settlement says whatever the call said that it does not say itself; an act and a gap say what happened."""
    doubt = replace(_complete_record(), outcome="in_doubt", service_code=None, time_basis="estimated")
    by, numbered = Named("label", "Une personne"), "0195d5f2-0000-7000-8000-00000000000%d"
    records = [
        Record(None, "settlement", numbered % 2, BORN, settles=doubt.id, outcome="undecidable", time_basis="estimated",
               detail={"how": "person", "by": by, "reason": Named("label", "Une raison")}),
        Record(None, "admin", numbered % 3, BORN, event_time=BORN, tenant="passerelle", detail={"action": "identity", "by": by}),
        Record(None, "gap", numbered % 4, BORN, event_time=BORN, tenant="passerelle",
               detail={"listener": "dmp", "why": "G-PLEIN", "count": 2, "from": text_of(BORN), "to": text_of(BORN)}),
    ]  # fmt: skip
    with store.transaction():
        store.append(draft_of(doubt, "bac_a_sable", HandClock()))
        bodies = [store.append(draft_of(record, "bac_a_sable", HandClock())).body for record in records]
    assert b"\n".join([*bodies, b""]) == OTHER_KINDS.read_bytes()


def test_a_body_is_committed_to_with_its_salt(tmp_path: Path) -> None:
    clock = HandClock()
    vault = Vault(tmp_path / "keys", b"k" * 32, b"l" * 32, None, "x")
    store = Store(tmp_path / "journal.sqlite3", vault, clock, boot_id="b", log_id=1)
    with store.transaction():
        entry = store.append(draft_of(_complete_record(), "x", clock))
    store.close()
    [salt] = [row[0] for row in rows(tmp_path, "SELECT salt FROM bodies")]
    [body] = orjson.loads(entry.body)["bodies"]
    assert body["commitment"] == hashlib.sha256(salt + hashlib.sha256(b"body").digest()).hexdigest()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh_", max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcdefgh_", max_size=8), _VALUES, max_size=5))
def test_anyone_can_write_the_same_bytes(content: dict[str, object]) -> None:
    independent = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert encode(content) == independent


async def test_text_that_has_no_utf8_form_does_not_cost_the_entry(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    broken = feed("refused", person=Named("person", "\udcff"))
    broken.service_code = "caf\udce9"
    [entry] = await journal.write(broken)
    await journal.close()
    assert orjson.loads(entry.body)["service_code"] == "caf\N{REPLACEMENT CHARACTER}"


def test_times_are_utc_with_six_digits() -> None:
    paris = timezone(timedelta(hours=2))
    assert text_of(datetime(2026, 7, 1, 0, 0, 0, 120, tzinfo=paris)) == "2026-06-30T22:00:00.000120Z"
    with pytest.raises(ValueError, match="timezone-aware"):
        text_of(datetime(2026, 7, 1))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"operation": None}, "a call has an operation"),
        ({"outcome": None}, "None is not the outcome of a call"),
        ({"outcome": "succeeded"}, "succeeded is not the outcome of a call"),
        ({"kind": "settlement", "outcome": "ok", "settles": "x"}, "ok is not the outcome of a settlement"),
        ({"kind": "settlement", "outcome": "failed"}, "names the entry it settles"),
        ({"settles": "x"}, "names the entry it settles"),
        ({"kind": "admin"}, "ok is not the outcome of a admin"),
        ({"verdict": {"score": 0.5}}, "not float"),
        ({"verdict": {"rules": [{"found": b"x"}]}}, "not bytes"),
        ({"event_time": datetime(2026, 7, 1)}, "timezone-aware"),
    ],
)
def test_a_record_that_cannot_be_an_entry_is_refused_before_it_is_queued(changes: dict[str, object], reason: str) -> None:
    record = feed("ok")
    assert draft_of(record, "bac_a_sable", HandClock()).content["outcome"] == "ok"
    with pytest.raises(ValueError, match=reason):
        draft_of(replace(record, **changes), "bac_a_sable", HandClock())  # type: ignore[arg-type]


async def test_a_wall_clock_that_steps_back_is_flagged_and_nothing_repaired(tmp_path: Path) -> None:
    clock = HandClock()
    journal = open_journal(tmp_path, clock=clock)
    await journal.write(feed("ok"))
    clock.now -= timedelta(seconds=5)
    await journal.write(feed("ok"))
    await journal.write(feed("ok"))
    await journal.close()
    clock.now -= timedelta(seconds=5)
    journal = open_journal(tmp_path, clock=clock)  # the last time is remembered across processes
    await journal.write(feed("ok"))
    clock.now += timedelta(days=1)
    await journal.write(feed("ok"))
    await journal.close()
    flags = [orjson.loads(row[0])["flags"] for row in rows(tmp_path, "SELECT body FROM entries ORDER BY pos")]
    assert flags == [[], ["G-HORLOGE"], [], ["G-HORLOGE"], []]
