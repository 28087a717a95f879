"""Versions of the registry (decision 0030): each change has its entry, none is half made, every earlier state is kept."""
from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.access.callers import Caller
from gateway.grappes import versions
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError, example, read_grappe, write_grappe
from gateway.grappes.registrar import Conflict
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version
from gateway.journal.record import JournalFull
from tests.gateway.grappes.world import (
    GRAPPE,
    LES_CARMES,
    MARSEILLE,
    Killed,
    noted,
    put,
    registrar_of,
    the,
    with_essms,
    with_mailbox,
)
from tests.gateway.journal.world import BORN

CALLER = Caller(tenant="t1", entitled_ej=frozenset({MARSEILLE}))
BOX = "carmes@ccas.mssante.test"


def boxed(grappe: Grappe) -> Grappe:
    return with_mailbox(grappe, BOX)


def no_et(grappe: Grappe) -> Grappe:
    """An EJ where an ET is due."""
    return replace(grappe, essms=(replace(grappe.essms[0], finess_et=MARSEILLE, saisi=MARSEILLE), *grappe.essms[1:]))


def addresses(grappe: Grappe) -> list[str]:
    return [box.address for box in the(grappe, LES_CARMES).mailboxes]


async def test_a_change_makes_a_version_with_its_entry_and_the_doors_see_it_at_once(tmp_path: Path) -> None:
    folder = put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        held_by_a_door = registrar.registry
        assert held_by_a_door.attribute_mailbox(BOX, CALLER, BORN).source == "non_attribue:bal_inconnue"
        saved = await registrar.change(GRAPPE, boxed, by="amoa", why="liste reçue du porteur")
        assert held_by_a_door.attribute_mailbox(BOX, CALLER, BORN).finess_et == LES_CARMES
        assert held_by_a_door.version_of(GRAPPE) == saved.version == 2
    [entry] = noted(tmp_path)
    why = entry.pop("why")
    assert len(why) == 32 and "porteur" not in why  # a ref, not the text
    assert entry == {
        "action": "registry", "by": "amoa", "grappe": GRAPPE, "version": 2, "sha256": saved.sha256, "change": ["bal"],
        "touched": [{"finess_et": LES_CARMES, "from": "2026-03-01", "to": None}],
    }
    assert hashlib.sha256((folder / "versions" / GRAPPE / "2.json").read_bytes()).hexdigest() == saved.sha256
    assert Registry.load(folder).grappe(GRAPPE) == load_version(folder, GRAPPE, 2) == read_grappe(folder / f"{GRAPPE}.json")
    assert load_version(folder, GRAPPE, 1) == example(GRAPPE)
    with pytest.raises(RegistryError, match=r"version 3 : inconnue\. Versions gardées : 1, 2\."):
        load_version(folder, GRAPPE, 3)


async def test_a_change_that_changes_nothing_makes_no_version(tmp_path: Path) -> None:
    put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        saved = await registrar.change(GRAPPE, lambda grappe: grappe, by="amoa")
    assert (saved.version, saved.difference.codes, noted(tmp_path)) == (1, (), [])


async def test_of_two_changes_from_one_version_the_second_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        first, second = await asyncio.gather(
            registrar.change(GRAPPE, boxed, by="amoa", expected=1),
            registrar.change(GRAPPE, lambda one: with_mailbox(one, "autre@ccas.mssante.test"), by="porteur", expected=1),
            return_exceptions=True,
        )
    assert not isinstance(first, BaseException)
    assert isinstance(second, Conflict)
    assert str(second) == (
        "Grappe « marseille-hyeres » : vous partez de la version 1, elle en est à la version 2. Rien n'a été changé : "
        "relisez-la, puis recommencez."
    )
    assert addresses(Registry.load(folder).grappe(GRAPPE)) == [BOX]
    assert len(noted(tmp_path)) == 1


async def test_changes_at_once_are_made_one_after_the_other_and_none_is_lost(tmp_path: Path) -> None:
    folder = put(tmp_path)
    names = [f"bal{number}@ccas.mssante.test" for number in range(8)]
    async with registrar_of(tmp_path) as registrar:
        await asyncio.gather(*(
            registrar.change(GRAPPE, lambda grappe, name=name: with_mailbox(grappe, name), by="amoa") for name in names  # type: ignore[misc]
        ))
    assert sorted(addresses(Registry.load(folder).grappe(GRAPPE))) == names
    assert [entry["version"] for entry in noted(tmp_path)] == list(range(2, 10))


async def test_a_caller_that_leaves_does_not_leave_half_a_change(tmp_path: Path) -> None:
    folder = put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        task = asyncio.create_task(registrar.change(GRAPPE, boxed, by="amoa"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        after = await registrar.change(GRAPPE, lambda grappe: grappe, by="amoa")  # waits for its turn
    assert (after.version, len(noted(tmp_path))) == (2, 1)
    assert addresses(Registry.load(folder).grappe(GRAPPE)) == [BOX]


@pytest.mark.parametrize("by", ["", "Marie Dupont", "AMOA", "x" * 65])
async def test_an_author_is_a_body_or_a_role(tmp_path: Path, by: str) -> None:
    put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        with pytest.raises(RegistryError, match="un organisme ou un rôle"):
            await registrar.change(GRAPPE, boxed, by=by)
        assert (await registrar.change(GRAPPE, boxed, by="ars-paca")).version == 2
    assert len(noted(tmp_path)) == 1


async def test_what_a_registry_may_not_hold_changes_nothing(tmp_path: Path) -> None:
    folder = put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        with pytest.raises(RegistryError, match="numéro d'entité juridique"):
            await registrar.change(GRAPPE, no_et, by="amoa")
        with pytest.raises(RegistryError, match="est dans deux grappes"):
            await registrar.save([replace(example(GRAPPE), id="autre")], by="amoa")
        with pytest.raises(RegistryError, match="Identifiant de grappe refusé"):
            await registrar.save([replace(example(GRAPPE), id="../../etc")], by="amoa")
        assert registrar.registry.version_of(GRAPPE) == 1
    assert (noted(tmp_path), versions.kept(folder, GRAPPE)) == ([], [])


async def test_several_grappes_change_together_or_not_at_all(tmp_path: Path) -> None:
    folder = put(tmp_path)
    grappe = example(GRAPPE)
    half = replace(grappe, id="autre", essms=grappe.essms[:6])
    rest = replace(grappe, essms=grappe.essms[6:])
    async with registrar_of(tmp_path) as registrar:
        with pytest.raises(Conflict):
            await registrar.save([half, rest], by="amoa", expected={"autre": 1, GRAPPE: 1})
        assert list(Registry.load(folder).grappes) == [GRAPPE]
        first, second = await registrar.save([half, rest], by="amoa", expected={"autre": 0, GRAPPE: 1})
    assert (first.version, first.difference.codes) == (1, ("grappe_creee", "membre_ajoute"))
    assert (second.version, second.difference.codes) == (2, ("membre_retire",))
    assert [len(one.essms) for one in Registry.load(folder).grappes.values()] == [6, 6]


# --- dying in between ---------------------------------------------------------------------------------------------------------


async def test_a_version_without_its_entry_is_not_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path)
    async with registrar_of(tmp_path) as registrar:

        async def dies(*_: object) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(type(registrar.journal), "write", dies)
            with pytest.raises(Killed):
                await registrar.change(GRAPPE, boxed, by="amoa")
    assert versions.kept(folder, GRAPPE) == [1, 2]
    assert Registry.load(folder).version_of(GRAPPE) == 1
    async with registrar_of(tmp_path) as registrar:
        saved = await registrar.change(GRAPPE, lambda one: with_mailbox(one, "autre@ccas.mssante.test"), by="amoa")
    assert saved.version == 2
    assert addresses(load_version(folder, GRAPPE, 2)) == ["autre@ccas.mssante.test"]
    assert Registry.load(folder).grappe(GRAPPE) == load_version(folder, GRAPPE, 2)


async def test_a_version_with_its_entry_is_in_force_before_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path)

    def dies(*_: object) -> None:
        raise Killed

    async with registrar_of(tmp_path) as registrar:
        with monkeypatch.context() as patched:
            patched.setattr(versions, "put_forward", dies)
            with pytest.raises(Killed):
                await registrar.change(GRAPPE, boxed, by="amoa")
    assert read_grappe(folder / f"{GRAPPE}.json").registry_version == 1
    assert addresses(Registry.load(folder).grappe(GRAPPE)) == [BOX]  # whoever reads, with or without a gateway
    async with registrar_of(tmp_path) as registrar:
        assert await registrar.adopt() == []
        saved = await registrar.change(GRAPPE, lambda one: with_mailbox(one, "autre@ccas.mssante.test"), by="amoa")
    assert saved.version == 3
    assert addresses(read_grappe(folder / f"{GRAPPE}.json")) == [BOX, "autre@ccas.mssante.test"]


async def test_a_new_grappe_is_in_force_before_its_current_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "grappes").mkdir()
    monkeypatch.setattr(versions, "put_forward", lambda *_: None)
    async with registrar_of(tmp_path) as registrar:
        await registrar.save([example(GRAPPE)], by="amoa", expected={GRAPPE: 0})
    assert Registry.load(tmp_path / "grappes").version_of(GRAPPE) == 1


async def test_a_version_in_force_whose_file_was_altered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path)
    monkeypatch.setattr(versions, "put_forward", lambda *_: None)
    async with registrar_of(tmp_path) as registrar:
        await registrar.change(GRAPPE, boxed, by="amoa")
    path = folder / "versions" / GRAPPE / "2.json"
    path.write_bytes(write_grappe(replace(boxed(example(GRAPPE)), registry_version=2, name="Autre")))
    with pytest.raises(RegistryError, match=r"le journal nomme une version 2, dont le fichier manque ou a changé"):
        Registry.load(folder)


async def test_without_room_for_the_entry_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path)

    async def full(*_: object) -> None:
        raise JournalFull("no room")

    async with registrar_of(tmp_path) as registrar:
        with monkeypatch.context() as patched:
            patched.setattr(type(registrar.journal), "write", full)
            with pytest.raises(JournalFull):
                await registrar.change(GRAPPE, boxed, by="amoa")
        assert registrar.registry.version_of(GRAPPE) == 1
    assert versions.kept(folder, GRAPPE) == [1]
    assert Registry.load(folder).version_of(GRAPPE) == 1


# --- files changed by hand ----------------------------------------------------------------------------------------------------


async def test_a_file_changed_by_hand_becomes_a_version_at_the_next_start(tmp_path: Path) -> None:
    folder = put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        assert await registrar.adopt() == []  # the first start keeps what it found, and has nothing to say
    put(tmp_path, with_essms(example(GRAPPE), LES_CARMES, dui_product="DUI Exemple"))
    async with registrar_of(tmp_path) as registrar:
        [adopted] = await registrar.adopt()
        assert registrar.registry.version_of(GRAPPE) == 2
        assert await registrar.adopt() == []
    assert adopted.difference.codes == ("dui_produit", "fichier_modifie")
    assert [(entry["by"], entry["version"], entry["touched"]) for entry in noted(tmp_path)] == [("fichier", 2, [])]
    assert load_version(folder, GRAPPE, 1) == example(GRAPPE)
    assert the(Registry.load(folder).grappe(GRAPPE), LES_CARMES).dui_product == "DUI Exemple"


async def test_an_earlier_file_put_back_is_not_a_change_and_one_that_was_edited_is(tmp_path: Path) -> None:
    folder = put(tmp_path)
    async with registrar_of(tmp_path) as registrar:
        await registrar.change(GRAPPE, boxed, by="amoa")
    put(tmp_path)  # as a process that died before the current file would leave it: the journal decides
    async with registrar_of(tmp_path) as registrar:
        assert await registrar.adopt() == []
    assert addresses(read_grappe(folder / f"{GRAPPE}.json")) == [BOX]
    put(tmp_path, replace(example(GRAPPE), name="Marseille"))
    async with registrar_of(tmp_path) as registrar:
        [adopted] = await registrar.adopt()
    assert (adopted.version, adopted.difference.codes) == (3, ("bal", "fichier_modifie", "grappe_modifiee"))
    assert addresses(load_version(folder, GRAPPE, 2)) == [BOX]
    assert addresses(Registry.load(folder).grappe(GRAPPE)) == []


async def test_a_file_of_another_name_keeps_it(tmp_path: Path) -> None:
    folder = put(tmp_path)
    (folder / f"{GRAPPE}.json").rename(folder / "paca.json")
    async with registrar_of(tmp_path) as registrar:
        await registrar.change(GRAPPE, boxed, by="amoa")
    assert [path.name for path in folder.glob("*.json")] == ["paca.json"]
    assert addresses(Registry.load(folder).grappe(GRAPPE)) == [BOX]


async def test_a_file_older_than_the_rule_of_identifiers_still_loads(tmp_path: Path) -> None:
    put(tmp_path, replace(example(GRAPPE), id="Grappe de Marseille"))
    async with registrar_of(tmp_path) as registrar:
        assert await registrar.adopt() == []
        assert registrar.registry.version_of("Grappe de Marseille") == 1
        with pytest.raises(RegistryError, match="Identifiant de grappe refusé"):
            await registrar.change("Grappe de Marseille", lambda one: replace(one, name="x"), by="amoa")


def test_files_without_the_new_fields_are_read(tmp_path: Path) -> None:
    grappe = example(GRAPPE)  # shipped before they existed
    assert (grappe.registry_version, grappe.contractual_level, grappe.date_demarrage) == (1, "grappe", None)
    essms = replace(the(grappe, LES_CARMES), date_demarrage=date(2026, 2, 1))
    assert (grappe.start_of(essms), essms.facture_recue, essms.certificates) == (date(2026, 2, 1), None, ())


