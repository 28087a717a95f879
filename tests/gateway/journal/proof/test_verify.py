"""What was done to an export is named, each thing in its own words; and the whole one passes (design §5.5)."""
from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.nomenclatures.identifiers import matricule_key, parse_matricule
from gateway.journal.erasure import erase
from gateway.journal.proof import export
from gateway.journal.proof.merkle import leaf_hash
from gateway.journal.proof.notes import PublicKey, Signer, encode
from gateway.journal.proof.signed_files import text_of, verify_files
from gateway.journal.proof.verdict import Verdict
from gateway.journal.proof.witnessing import witness_of
from gateway.journal.query import Filters
from gateway.journal.record import Body, Named
from tests.gateway.journal.proof.exports import (
    changed,
    codes,
    exported,
    judged,
    key_of,
    lines_changed,
    members,
    taken,
    told,
    witnessed,
    zipped,
)
from tests.gateway.journal.proof.world import STRUCTURES, notary, rows, sign, tamper, write
from tests.gateway.journal.world import feed, open_journal
from tests.stores import copied

CHANGE = "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '\"ok\"', '\"no\"') AS BLOB) WHERE pos & 1023 = 7"


@dataclass(frozen=True)
class Case:
    """A journal of forty entries in log 1 and six in log 2, an export of all and one of a structure, a witness before."""

    folder: Path
    key: PublicKey
    whole: bytes
    part: bytes
    witness: bytes


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("case") / "gateway"
    write(folder, 25)
    write(folder, 6, log_id=2)
    sign(folder)
    witness = witnessed(folder)
    write(folder, 15)
    made = taken(folder)
    part = exported(folder, filters=Filters(finess_et=STRUCTURES[0]), at=made)
    return Case(folder, key_of(folder), exported(folder, at=made), part, witness)


@pytest.fixture
def judge(case: Case, tmp_path: Path) -> Callable[..., Verdict]:
    def run(content: bytes, *, witness: bytes | None = None, key: PublicKey | None = None) -> Verdict:
        return judged(tmp_path / "range.zip", content, key or case.key, witness)

    return run


Judge = Callable[..., Verdict]


def another(case: Case, tmp_path: Path) -> Path:
    """A copy of the whole folder, keys included: what its operator holds."""
    return copied(case.folder, tmp_path / "gateway")


# --- the whole one


def test_the_whole_export_holds(case: Case, judge: Judge) -> None:
    verdict = judge(case.whole)
    assert (verdict.faults, verdict.holds) == ([], True)
    assert {log: verdict.lines[log] for log in (1, 2)} == {1: 40, 2: 6}
    assert verdict.signer == case.key
    assert verdict.about["lines"] == {str(log): number for log, number in verdict.lines.items()}
    assert [(head.log, head.size) for head in verdict.vector] == [(1, 40), (2, 6)]


def test_an_export_of_one_structure_holds_and_shows_no_other(case: Case, judge: Judge) -> None:
    verdict = judge(case.part)
    assert (verdict.faults, verdict.lines[1], verdict.lines[2]) == ([], 21, 3)
    assert STRUCTURES[1].encode() not in b"".join(members(case.part).values())


def test_the_same_snapshot_and_selection_give_the_same_bytes(case: Case) -> None:
    at = taken(case.folder)
    assert exported(case.folder, at=at) == exported(case.folder, at=at) == case.whole


def test_it_holds_against_an_earlier_witness(case: Case, judge: Judge) -> None:
    for content in (case.whole, case.part):
        verdict = judge(content, witness=case.witness)
        assert (verdict.faults, verdict.witness is not None) == ([], True)


def test_an_erasure_changes_no_proof(tmp_path: Path) -> None:
    """A person who was treated, journaled, signed for, and then erased: what was exported before is what is exported after."""
    folder, person = tmp_path / "gateway", "1900101001010" + matricule_key("1900101001010")

    async def run(*, erased: bool) -> None:
        journal = open_journal(folder)
        if erased:
            done = await erase(journal, parse_matricule(person), by="dpo")
            assert (done.known, done.entries) == (True, 3)
        else:
            for _ in range(3):
                await journal.write(feed("ok", person=Named("person", person), bodies=[Body("request", 3, bytes(32))]))
        await journal.close()

    asyncio.run(run(erased=False))
    witness, at = witnessed(folder), taken(folder)
    before = exported(folder, at=at)
    asyncio.run(run(erased=True))
    assert rows(folder, "SELECT count(*) FROM bodies") == [(0,)]
    shutil.rmtree(folder / "tree")
    sign(folder)
    assert exported(folder, at=at) == before
    verdict = judged(tmp_path / "x.zip", exported(folder), key_of(folder), witness)
    assert (verdict.faults, verdict.lines[1]) == ([], 4)


# --- what is done to the lines


def test_a_changed_byte(case: Case, judge: Judge) -> None:
    verdict = judge(changed(case.whole, "log-1.ndjson", lambda one: one.replace(b'"130790199"', b'"130790198"', 1)))
    assert codes(verdict) == ["changed-line"]
    assert (verdict.faults[0].place, told(verdict)) == ("1/0", "l'entrée 1/0 a été modifiée")


def test_a_removed_line(case: Case, judge: Judge) -> None:
    verdict = judge(lines_changed(case.whole, lambda lines: lines[:9] + lines[10:]))
    assert (codes(verdict), verdict.faults[0].place) == (["removed-line"], "1/9")
    assert told(verdict) == "l'entrée 1/9 a été retirée"


def test_several_removed_lines(case: Case, judge: Judge) -> None:
    verdict = judge(lines_changed(case.whole, lambda lines: lines[:9] + lines[14:]))
    assert told(verdict) == "les entrées 1/9 à 1/13 ont été retirées"


def test_a_removed_line_of_a_partial_export(case: Case, judge: Judge) -> None:
    verdict = judge(lines_changed(case.part, lambda lines: lines[:3] + lines[4:]))
    assert told(verdict) == "l'entrée 1/6 a été retirée"


def test_a_cut_tail(case: Case, judge: Judge) -> None:
    verdict = judge(lines_changed(case.whole, lambda lines: lines[:-3]))
    assert (codes(verdict), verdict.faults[0].place) == (["cut-tail"], "1/37")
    assert told(verdict) == "la fin est coupée : 3 entrées manquent, de 1/37 à 1/39"


@pytest.mark.parametrize("pair", [(4, 5), (4, 11), (0, 39), (38, 39)])
def test_two_lines_swapped(case: Case, judge: Judge, pair: tuple[int, int]) -> None:
    first, second = pair

    def swap(lines: list[bytes]) -> list[bytes]:
        lines[first], lines[second] = lines[second], lines[first]
        return lines

    verdict = judge(lines_changed(case.whole, swap))
    assert (codes(verdict), told(verdict)) == (
        ["swapped-lines"], f"les entrées 1/{first} et 1/{second} ont été échangées",
    )  # fmt: skip


def test_a_line_of_another_log(case: Case, judge: Judge) -> None:
    foreign = members(case.whole)["log-2.ndjson"].splitlines(keepends=True)[2]
    replaced = judge(lines_changed(case.whole, lambda lines: [*lines[:5], foreign, *lines[6:]]))
    added = judge(lines_changed(case.whole, lambda lines: [*lines[:5], foreign, *lines[5:]]))
    last = judge(lines_changed(case.whole, lambda lines: [*lines, foreign]))
    assert codes(replaced) == codes(added) == codes(last) == ["other-log"]
    assert told(replaced) == "une ligne du journal 2 se trouve à la place de l'entrée 1/5"
    assert told(added) == "une ligne du journal 2 se trouve avant l'entrée 1/5"


def test_another_logs_entries(case: Case, judge: Judge) -> None:
    parts = members(case.whole)
    swapped = parts | {f"log-1.{kind}": parts[f"log-2.{kind}"] for kind in ("ndjson", "proof")}
    verdict = judge(zipped(swapped))
    assert codes(verdict) == ["bad-proof"]
    assert told(verdict) == "le journal 1 de l'export n'est pas celui que le point de contrôle couvre (40 entrées)"


def test_another_journals_entries(case: Case, judge: Judge, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, 40)
    theirs = members(exported(other))
    verdict = judge(zipped(members(case.whole) | {name: theirs[name] for name in ("log-1.ndjson", "log-1.proof")}))
    assert codes(verdict) == ["bad-proof"]
    assert "le journal 1 de l'export n'est pas celui" in told(verdict)


def test_an_added_line(case: Case, judge: Judge) -> None:
    verdict = judge(lines_changed(case.whole, lambda lines: [*lines[:5], lines[5], *lines[5:]]))
    assert (codes(verdict), told(verdict)) == (["added-line"], "une ligne de trop (1/5) se trouve avant l'entrée 1/6")


def test_many_changes_are_told_shortly(case: Case, judge: Judge) -> None:
    verdict = judge(changed(case.whole, "log-1.ndjson", lambda one: one.replace(b'"130790199"', b'"130790198"')
                            .replace(b'"130786502"', b'"130786503"')))  # fmt: skip
    assert len(verdict.faults) == 21
    assert verdict.faults[-1].says == "et 20 autres défauts dans le journal 1"


# --- what is done to the proof


def test_a_log_left_out(case: Case, judge: Judge) -> None:
    parts = members(case.whole)
    for gone in (("log-2.ndjson", "log-2.proof"), ("log-2.proof",)):
        verdict = judge(zipped({name: one for name, one in parts.items() if name not in gone}))
        assert (codes(verdict)[0], verdict.faults[0].place) == ("left-out-log", "2")
        assert told(verdict).startswith("le journal 2 manque à l'export : le point de contrôle le couvre")


def test_a_log_that_the_snapshot_does_not_know(case: Case, judge: Judge) -> None:
    parts = members(case.whole)
    verdict = judge(zipped(parts | {f"log-3.{kind}": parts[f"log-2.{kind}"] for kind in ("ndjson", "proof")}))
    assert codes(verdict) == ["other-log"]
    assert told(verdict) == "le journal 3 n'est pas de ceux que le point de contrôle couvre"


def test_an_act_that_is_no_entry(case: Case, judge: Judge) -> None:
    """Lines and proof made together: the line is in its place, and is nobody's."""
    line = b'{"operation":"JOURNAL.RETENTION"'
    lines = lines_changed(case.whole, lambda one: [line + b"\n", *one[1:]])
    item = f"leaf 0 {encode(leaf_hash(line))}\n".encode()
    forged = changed(lines, "log-1.proof", lambda one: item + one.partition(b"\n")[2])
    assert codes(judge(forged)) == ["bad-proof"]


def test_a_forged_checkpoint(case: Case, judge: Judge) -> None:
    size = members(case.whole)["snapshot.txt"].split(b"\n")[1]
    larger = b"\n%d\n" % (int(size) + 1)
    verdict = judge(changed(case.whole, "snapshot.txt", lambda one: one.replace(b"\n" + size + b"\n", larger)))
    assert codes(verdict)[0] == "forged-checkpoint"
    assert "la signature est fausse : le point de contrôle a été forgé ou modifié" in told(verdict)


def test_a_checkpoint_by_another_key(case: Case, judge: Judge) -> None:
    other = Signer(case.key.name, bytes(32))
    verdict = judge(changed(case.whole, "snapshot.txt", lambda one: other.sign(one.decode().split("\n\n")[0] + "\n").encode()))
    assert codes(verdict) == ["other-key"]
    assert f"signé par une autre clé ({other.name}+{other.public.id.hex()})" in told(verdict)


def test_the_key_of_another_journal(case: Case, judge: Judge) -> None:
    assert codes(judge(case.whole, key=Signer("socle/autre", bytes(32)).public)) == ["other-key", "altered-export"]


def test_a_line_removed_with_its_proof(case: Case, judge: Judge) -> None:
    """Without the key the description cannot be made again: it is noticed even where the tree says nothing."""
    def hide(one: bytes) -> bytes:
        items = one.splitlines(keepends=True)
        at = next(n for n, item in enumerate(items) if item.startswith(b"leaf 6 "))
        return b"".join([*items[:at], items[at].replace(b"leaf", b"node 0"), *items[at + 1 :]])

    parts = members(lines_changed(case.part, lambda lines: lines[:3] + lines[4:]))
    verdict = judge(zipped(parts | {"log-1.proof": hide(parts["log-1.proof"])}))
    assert codes(verdict) == ["altered-export", "altered-export"]
    assert "log-1.ndjson n'est plus celui qui a été exporté" in told(verdict)


def test_a_description_made_again(case: Case, judge: Judge) -> None:
    verdict = judge(changed(case.whole, "export.txt", lambda one: one.replace(b'"simulated": false', b'"simulated": true')))
    assert codes(verdict) == ["altered-export"]
    assert "description refaite" in told(verdict)


def test_the_description_of_another_export(case: Case, judge: Judge) -> None:
    verdict = judge(zipped(members(case.part) | {"export.txt": members(case.whole)["export.txt"]}))
    assert set(codes(verdict)) == {"altered-export"}


def test_an_older_vector_under_a_younger_signature(case: Case, judge: Judge) -> None:
    """The last line hidden behind its hash, an earlier vector would pass for the present one: the end could be cut unseen."""
    parts = members(case.whole)
    lines = parts["log-0.ndjson"].splitlines(keepends=True)
    *items, last = parts["log-0.proof"].splitlines(keepends=True)
    assert last.startswith(b"leaf ")
    hidden = {"log-0.ndjson": b"".join(lines[:-1]), "log-0.proof": b"".join([*items, last.replace(b"leaf", b"node 0")])}
    verdict = judge(zipped(parts | hidden))
    assert codes(verdict)[0] == "bad-proof"
    assert "la dernière ligne du registre (journal 0) n'est pas le vecteur du point de contrôle" in told(verdict)


@pytest.mark.parametrize("change", [
    lambda one: one[len(one) // 2 :], lambda one: b"", lambda one: one + b"leaf 40 " + b"A" * 43 + b"=\n",
    lambda one: one.replace(b"leaf 5 ", b"leaf 6 "), lambda one: b"nonsense\n" + one,
    lambda one: one.replace(b"leaf 7 ", b"node 0 7 x"), lambda one: one + b"node 41 0 " + b"A" * 43 + b"=\n",
])  # fmt: skip
def test_a_proof_that_is_not_one(case: Case, judge: Judge, change: Callable[[bytes], bytes]) -> None:
    verdict = judge(changed(case.whole, "log-1.proof", change))
    assert not verdict.holds
    assert set(codes(verdict)) & {"bad-proof", "bad-archive", "added-line"}, told(verdict)


def test_the_registry_is_looked_at_too(case: Case, judge: Judge) -> None:
    verdict = judge(changed(case.whole, "log-0.ndjson", lambda one: one.replace(b'"why":"export"', b'"why":"period"')))
    assert "changed-line" in codes(verdict) and verdict.faults[0].place is not None
    assert verdict.faults[0].place.startswith("0/")


# --- rewriting by whoever has the key


def test_a_database_restored_from_yesterday(case: Case, judge: Judge, tmp_path: Path) -> None:
    """Journal, registry and key of yesterday: nothing inside can tell, the witness does."""
    folder = another(case, tmp_path)
    later = witnessed(folder)
    yesterday = another(case, tmp_path / "again")
    verdict = judge(exported(yesterday), witness=later)  # as it was exported yesterday
    assert codes(verdict) == ["younger-witness"]
    assert "est plus récent que l'export" in told(verdict)
    assert "s'il ne prolonge pas le témoin, la base a été restaurée" in told(verdict)
    much_later = [witnessed(folder) for _ in range(3)][-1]
    taken(yesterday, "witness")  # whoever exports signs first: the command writes an entry of its own
    verdict = judge(exported(yesterday), witness=much_later)
    assert codes(verdict) == ["shorter-than-witness"]
    assert "base restaurée d'un état antérieur" in told(verdict)
    verdict = judge(exported(yesterday), witness=later)
    assert (codes(verdict), verdict.faults[0].place) == (["rewritten"], "0")
    assert judge(exported(yesterday)).holds


def test_an_entry_replaced_and_the_tree_signed_again(case: Case, judge: Judge, tmp_path: Path) -> None:
    """The operator changes an entry, and has the new tree signed in the same registry: said undetectable without a witness."""
    folder = another(case, tmp_path)
    tamper(folder, CHANGE)
    shutil.rmtree(folder / "tree")
    with notary(folder, accept_fork=True) as one:
        one.accept("operateur")
    assert judge(exported(folder)).holds
    verdict = judge(exported(folder), witness=case.witness)
    assert (codes(verdict), verdict.faults[0].place) == (["rewritten"], "1")
    assert "les 25 premières lignes du journal 1 ne sont plus celles du témoin" in told(verdict)


def test_everything_made_again_with_the_same_key(case: Case, judge: Judge, tmp_path: Path) -> None:
    folder = another(case, tmp_path)
    tamper(folder, CHANGE)
    for gone in ("tree", "registry"):
        shutil.rmtree(folder / gone)
    with notary(folder, accept_fork=True) as one:
        one.accept("operateur")
    verdict = judge(exported(folder, witnesses=(case.witness,)), witness=case.witness, key=key_of(folder))
    assert not verdict.holds


def test_files_without_a_proof_say_that_no_witness_was_looked_at(case: Case, tmp_path: Path) -> None:
    signer, digest = Signer("socle/essai", bytes(32)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "taux.csv").touch()
    note = signer.sign(text_of({"taux.csv": digest})).encode()
    assert codes(verify_files(note, tmp_path, [signer.public])) == []
    assert codes(verify_files(note, tmp_path, [signer.public], case.witness)) == ["not-comparable"]


def test_an_export_that_cannot_be_compared_says_so(case: Case, judge: Judge, tmp_path: Path) -> None:
    """The registry does not remember every snapshot that somebody may have kept: the export is then made with it."""
    folder = another(case, tmp_path)
    write(folder, 1)
    kept = witness_of(folder, taken(folder, "export"), case.key).encode()
    write(folder, 6)
    nobody = Filters(finess_et="000000000")
    verdict = judge(exported(folder, filters=nobody), witness=kept)
    assert (codes(verdict)[-1], verdict.faults[-1].place) == ("not-comparable", "1")
    assert "refaites-le par socle journal export --witness" in told(verdict)
    assert judge(exported(folder, filters=nobody, witnesses=(kept,)), witness=kept).faults == []
    assert judge(exported(folder), witness=kept).faults == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_change_of_one_byte_goes_unseen(case: Case, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    parts = members(case.part)
    name = data.draw(st.sampled_from(sorted(parts)))
    at = data.draw(st.integers(0, len(parts[name]) - 1))
    byte = data.draw(st.integers(1, 255))
    broken = bytearray(parts[name])
    broken[at] ^= byte
    path = tmp_path_factory.mktemp("bytes") / "x.zip"
    assert not judged(path, zipped(parts | {name: bytes(broken)}), case.key).holds


def test_a_damaged_tree_never_leaves_as_an_export(case: Case, tmp_path: Path) -> None:
    folder = another(case, tmp_path)
    at = taken(folder)
    tamper(folder, CHANGE)
    with pytest.raises(export.TreeDamaged, match="le journal 1, ou l'arbre qu'on en garde, n'est plus celui qui a été signé"):
        exported(folder, at=at)
    (folder / "tree" / "1.0").write_bytes(b"")
    with pytest.raises(export.TreeDamaged, match="l'arbre du journal 1 est incomplet : supprimez gateway/tree"):
        exported(folder, filters=Filters(finess_et="000000000"), at=at)
