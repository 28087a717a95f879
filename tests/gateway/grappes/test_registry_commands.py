"""`socle grappe bal …`, `denominateurs`, `historique`, `socle dui`: without a gateway they write the journal themselves."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.main import get_command

from connectors.wire.clock import SystemClock
from gateway.cli.main import app
from gateway.doors.console import Console
from gateway.doors.registry_api import RegistryApi
from gateway.grappes.extraction import extractions
from gateway.grappes.registrar import Registrar
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version
from gateway.journal.journal import Journal
from gateway.usage.source import journal_of
from tests.gateway.grappes.test_denominators import HEAD
from tests.gateway.grappes.world import GRAPPE, LES_CARMES, SAINT_TRONC, noted, put, the
from tests.gateway.journal.world import ADMIN_KEY, listening, open_journal

BOX = "carmes@ccas.mssante.test"
SOCLE = get_command(app)  # made once: it is most of what an invocation costs
COUNT = ("comptage", GRAPPE, LES_CARMES, "IND-DMP-01")
EXTRACTION = (
    "finess_et;periode_debut;periode_fin;personnes_presentes;dossiers_actifs;dossiers_actifs_avec_projet;"
    "dossiers_actifs_avec_evenement;extrait_le;source\n{et};2025-10-01;2025-10-31;61;{active};40;50;2025-11-03;extraction\n"
)


def certificate() -> bytes:
    """A self-signed one, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AUTH")])
    begins, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, begins, ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Shell:
    def __init__(self, data: Path) -> None:
        self.data, self.grappes = data, put(data / "gateway")

    def __call__(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(SOCLE, [*words, "--data", str(self.data)])
        assert result.exit_code == code, result.output
        return result.output

    def json(self, *words: str) -> Any:
        return orjson.loads(self(*words, "--json"))

    def file(self, name: str, content: str) -> str:
        (self.data / name).write_text(content, encoding="utf-8")
        return str(self.data / name)

    @property
    def carmes(self) -> Any:
        return the(Registry.load(self.grappes).grappe(GRAPPE), LES_CARMES)

    @property
    def noted(self) -> list[dict[str, Any]]:
        return noted(self.data / "gateway")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(Journal, "open", partial(Journal.open, ballast_bytes=1 << 18))
    return Shell(tmp_path)


def test_a_mailbox_is_declared_ended_and_each_step_can_be_told(shell: Shell) -> None:
    assert shell("grappe", "bal", GRAPPE, LES_CARMES, BOX, "--since", "01/01/2026", "--by", "amoa") == (
        "marseille-hyeres : registre en version 2 (bal). Mesures touchées : 130790199 à partir du 01/01/2026.\n"
    )
    ended = shell("grappe", "bal", GRAPPE, LES_CARMES, BOX, "--until", "2026-03-01", "--by", "porteur", "--why", "fermée")
    assert "version 3 (bal)" in ended
    assert shell("grappe", "bal", GRAPPE, LES_CARMES, BOX, "--since", "2026-01-01", "--by", "amoa") == (
        "marseille-hyeres : le registre le dit déjà (version 3), rien n'a changé.\n"
    )
    assert [(entry["by"], entry["version"]) for entry in shell.noted] == [("amoa", 2), ("porteur", 3)]
    told = shell("grappe", "historique", GRAPPE)
    assert [line.split()[0] for line in told.splitlines()] == ["Version", "1", "2", "3"]
    assert told.count("intact") == 2
    assert [one["by"] for one in shell.json("grappe", "historique", GRAPPE)["versions"]] == [None, "amoa", "porteur"]
    second = orjson.loads(shell("grappe", "historique", GRAPPE, "--version", "2"))
    assert second["essms"][4]["mailboxes"] == [{"address": BOX, "since": "2026-01-01", "until": None}]


def test_each_thing_that_an_amoa_corrects_has_its_command(shell: Shell) -> None:
    pem = shell.data / "auth.pem"
    pem.write_bytes(certificate())
    commands = (
        ("certificat", GRAPPE, LES_CARMES, str(pem)),
        ("essms", GRAPPE, LES_CARMES, "--dui", "DUI Exemple 4", "--facture", "2026-10-15", "--ahi", "--demarrage", "2026-02-01"),
        ("projet", GRAPPE, "--niveau", "essms", "--demarrage", "2026-01-01"),
        ("og", GRAPPE, "750721334", "AUTRE OG"),
        ("membre", GRAPPE, SAINT_TRONC, "--until", "2026-09-01"),
        ("comptage", GRAPPE, LES_CARMES, "IND-DMP-01", "2026-01", "131", "--to", "2026-03", "--origin", "si_dmp",
         "--received", "2026-04-10"),
        ("denominateurs", "set", GRAPPE, LES_CARMES, "--since", "2026-01-01", "--persons", "64", "--source", "declaration_essms",
         "--exclude", "dmp:autre:4", "--justificatif", "délibération"),
    )  # fmt: skip
    for command in commands:
        shell("grappe", *command, "--by", "amoa")
    grappe, carmes = Registry.load(shell.grappes).grappe(GRAPPE), shell.carmes
    assert (grappe.registry_version, grappe.contractual_level, len(grappe.entites_juridiques)) == (8, "essms", 3)
    assert (carmes.dui_product, carmes.facture_recue.isoformat(), carmes.ahi) == ("DUI Exemple 4", "2026-10-15", True)
    assert len(carmes.certificates[0].fingerprint) == 64 and carmes.certificates[0].until is not None
    assert str(the(grappe, SAINT_TRONC).member_until) == "2026-09-01"
    shown = shell("grappe", "show", GRAPPE)
    assert "Version 8 ; cible due au niveau : ESSMS ; démarrage le 01/01/2026" in shown
    said = " ".join(shown.partition("130790199 : ")[2].split())
    assert said.startswith(
        "logiciel DUI Exemple 4, démarrage le 01/02/2026, facture de fin de déploiement reçue le 15/10/2026, "
        "AHI non éligible à SONS, MSSanté et DMP hors champ, 1 certificat(s), 1 comptage(s) d'ailleurs"
    )
    [count] = carmes.external_counts
    assert (count.since.isoformat(), count.until.isoformat(), count.count) == ("2026-01-01", "2026-04-01", 131)
    assert (carmes.persons, carmes.denominators[-1].of("IND-DMP-01")) == (64, 60)


@pytest.mark.parametrize("words, why", [
    (("bal", GRAPPE, "13079019", BOX, "--since", "2026-01-01"), "ET « 13079019 » : 8 chiffres sur 9"),
    (("bal", GRAPPE, LES_CARMES, BOX, "--since", "hier"), "--since « hier » : date attendue"),
    (("bal", GRAPPE, LES_CARMES, BOX), "cette BAL n'y a pas un seul intervalle en cours, donnez son début"),
    (("bal", "autre", LES_CARMES, BOX, "--since", "2026-01-01"), "Grappe inconnue : « autre »"),
    (("projet", GRAPPE, "--niveau", "region"), "contractual_level, valeur hors de la liste : essms, og ou grappe."),
    (("projet", GRAPPE, "--niveau", "og", "--if-version", "4"), "vous partez de la version 4, elle en est à la version 1"),
    (("certificat", GRAPPE, LES_CARMES, "absent.pem"), "ni un fichier PEM lisible, ni une empreinte SHA-256"),
    ((*COUNT, "janvier", "3", "--origin", "si_dmp", "--received", "2026-04-10"), "MOIS « janvier » : mois attendu, AAAA-MM"),
    ((*COUNT, "2026-01", "3", "--origin", "si_dmp", "--received", "avril"), "--received « avril » : date attendue"),
    ((*COUNT, "2026-01", "3,5", "--origin", "si_dmp", "--received", "2026-04-10"), "NOMBRE « 3,5 » : nombre décimal"),
    (("denominateurs", "set", GRAPPE, LES_CARMES, "--since", "2026-01-01", "--persons", "-4"), "nombre négatif"),
    (("denominateurs", "set", GRAPPE, LES_CARMES, "--since", "2026-01-01", "--exclude", "dmp:3"), "attendu mss ou dmp"),
])
def test_what_cannot_be_done_is_one_french_line_and_changes_nothing(shell: Shell, words: tuple[str, ...], why: str) -> None:
    line = shell("grappe", *words, "--by", "amoa", code=2)
    assert why in line
    assert line.count("\n") == 1
    assert Registry.load(shell.grappes).version_of(GRAPPE) == 1


def test_an_author_is_asked_for_and_is_no_person(shell: Shell) -> None:
    assert "un organisme ou un rôle" in shell("grappe", "projet", GRAPPE, "--niveau", "og", "--by", "Marie Dupont", code=2)
    assert CliRunner().invoke(SOCLE, ["grappe", "projet", GRAPPE, "--niveau", "og", "--data", str(shell.data)]).exit_code == 2
    assert Registry.load(shell.grappes).version_of(GRAPPE) == 1


def test_nothing_is_made_in_a_folder_that_has_no_such_grappe(tmp_path: Path) -> None:
    result = CliRunner().invoke(SOCLE, ["grappe", "projet", GRAPPE, "--niveau", "og", "--by", "amoa", "--data", str(tmp_path)])
    assert (result.exit_code, "Grappes du registre : aucune" in result.output) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_denominators_go_out_as_a_template_and_come_back(shell: Shell) -> None:
    rows = shell("grappe", "denominateurs", "template", GRAPPE).splitlines()
    assert rows[0].removeprefix("\ufeff") == HEAD
    filled = [row.replace(";61;", ";64;") for row in rows if "MURIERS" not in row]
    told = shell("grappe", "denominateurs", "import", shell.file("d.csv", "\n".join(filled)), "--by", "porteur")
    assert "registre en version 2 (denominateur). Mesures touchées : 130790199 à partir du 06/06/2025." in told
    assert shell.carmes.persons == 64
    wrong = shell("grappe", "denominateurs", "import", shell.file("e.csv", "\n".join(rows)), "--by", "porteur", code=2)
    assert wrong.splitlines()[0] == "e.csv, ligne 13, colonne depuis : date absente."
    assert wrong.splitlines()[-1] == "e.csv : rien n'a été pris. Corrigez, puis relancez la même commande."
    assert len(shell.noted) == 1


def test_an_extraction_is_brought_replaced_and_listed(shell: Shell) -> None:
    first = shell.json("dui", "extraction", shell.file("a.csv", EXTRACTION.format(et=LES_CARMES, active=58)), "--by", "porteur")
    assert (first["statut"], first["lignes"]) == ("recue", 1)
    again = shell("dui", "extraction", str(shell.data / "a.csv"), "--by", "porteur")
    assert again == f"a.csv : déjà reçue (entrée {first['entree']}), sans autre effet.\n"
    later = shell("dui", "extraction", shell.file("b.csv", EXTRACTION.format(et=LES_CARMES, active=62)), "--by", "porteur")
    assert "À vérifier, 130790199, 10/2025 : plus de dossiers actifs que de personnes présentes." in later
    [standing] = shell.json("dui", "list")["extractions"]
    assert (standing["active_files"], standing["stands"]) == (62, True)
    assert [one["stands"] for one in shell.json("dui", "list", "--all")["extractions"]] == [False, True]
    assert "remplacée" in shell("dui", "list", "--all")
    unknown = shell.file("c.csv", EXTRACTION.format(et="750832156", active=5))
    foreign = shell("dui", "extraction", unknown, "--by", "porteur", code=2)
    assert foreign.startswith("c.csv, ligne 2, colonne finess_et : FINESS inconnu du registre")


def test_the_extraction_template_completed_is_a_file_that_is_taken(shell: Shell) -> None:
    template = shell("dui", "template", GRAPPE)
    assert template.count("\n") == 13
    empty = shell("dui", "extraction", shell.file("t.csv", template), "--by", "amoa", code=2)
    assert empty.splitlines()[0] == "t.csv, ligne 2, colonne personnes_presentes : nombre absent."
    filled = shell.file("t.csv", template.replace(";;;;;", ";61;58;40;50;"))
    assert shell.json("dui", "extraction", filled, "--by", "amoa")["lignes"] == 12
    assert "Grappe inconnue" in shell("dui", "template", "autre", code=2)


def test_a_version_before_any_change_can_be_shown(shell: Shell) -> None:
    assert shell("grappe", "historique", GRAPPE) == "marseille-hyeres : version 1, telle que son fichier a été posé.\n"
    assert orjson.loads(shell("grappe", "historique", GRAPPE, "--version", "1")) == orjson.loads(
        (shell.grappes / f"{GRAPPE}.json").read_bytes()
    )
    assert load_version(shell.grappes, GRAPPE, 1).registry_version == 1
    assert "version 1 : inconnue" in shell("grappe", "historique", "autre", code=2)


# --- while a gateway holds the journal ----------------------------------------------------------------------------------------


@pytest.fixture
async def held(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registrar]:
    """The registrar of a process that has the journal, behind a console that listens."""
    clock = SystemClock()
    journal = open_journal(shell.data / "gateway", clock=clock)
    registrar = Registrar.of(journal, clock)
    console = Console(journal, clock, "bac_a_sable", ADMIN_KEY, {}, lambda: 0)
    served = console.app()
    RegistryApi(registrar, "bac_a_sable", console.check_admin).mount(served)
    async with listening(shell.data, served, monkeypatch):
        yield registrar
    await journal.close()


async def test_a_running_gateway_says_the_new_version_at_once(shell: Shell, held: Registrar) -> None:
    told = await asyncio.to_thread(shell, "grappe", "bal", GRAPPE, LES_CARMES, BOX, "--since", "2026-01-01", "--by", "amoa")
    assert "registre en version 2 (bal)" in told
    assert len(the(held.registry.grappe(GRAPPE), LES_CARMES).mailboxes) == 1
    late = ("grappe", "projet", GRAPPE, "--niveau", "og", "--if-version", "1", "--by", "amoa")
    refused = await asyncio.to_thread(shell, *late, code=2)
    assert "Refusé par la passerelle : Grappe « marseille-hyeres » : vous partez de la version 1" in refused
    assert held.registry.version_of(GRAPPE) == 2


async def test_files_go_to_the_gateway_that_runs(shell: Shell, held: Registrar) -> None:
    rows = [HEAD, f"{LES_CARMES};;2026-01-01;64;declaration_essms;declare;2025;;;"]
    told = await asyncio.to_thread(
        shell, "grappe", "denominateurs", "import", shell.file("d.csv", "\n".join(rows)), "--by", "porteur"
    )
    assert "registre en version 2 (denominateur)" in told
    assert the(held.registry.grappe(GRAPPE), LES_CARMES).persons == 64
    extraction = shell.file("a.csv", EXTRACTION.format(et=LES_CARMES, active=58))
    brought = await asyncio.to_thread(shell, "dui", "extraction", extraction, "--by", "porteur")
    assert brought.startswith("a.csv : 1 ligne(s) au journal")
    [standing] = (await asyncio.to_thread(shell.json, "dui", "list"))["extractions"]
    assert standing["active_files"] == 58
    with journal_of(shell.data / "gateway") as connection:
        [received] = extractions(connection, "bac_a_sable")
    assert received.tenant == "passerelle"
