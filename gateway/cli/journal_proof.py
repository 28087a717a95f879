"""`socle journal verify|witness|rekey`, the public key, and the export that can be verified (docs/preuve.md)."""
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.admin import act
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, AsJson, By, DataFolder, check_author, fail, need_journal, tell
from gateway.cli.journal_verdict import judge
from gateway.journal.journal import Journal
from gateway.journal.proof import acts, export, snapshot
from gateway.journal.proof.growth import verify_witness
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.notary import Notary
from gateway.journal.proof.notes import Note, NoteError, PublicKey, Signer
from gateway.journal.proof.register import RegisterError, Why
from gateway.journal.proof.signed_files import is_list, verify_files
from gateway.journal.proof.signing import SigningKey
from gateway.journal.proof.snapshot import Snapshot
from gateway.journal.proof.verdict import Verdict
from gateway.journal.proof.verify import verify as verify_export
from gateway.journal.proof.witness import LARGEST, Witness, WitnessError
from gateway.journal.proof.witnessing import NotGrown, witness_of
from gateway.journal.record import JournalError
from gateway.os_errors import in_french
from gateway.settings import Settings

_NO_KEY = "Aucun point de contrôle dans {data} : lancez une fois « socle gateway » ou « socle up », qui fait la clé et signe."


def public_key(
    context: typer.Context,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Sans sous-commande : la clé publique qui vérifie les points de contrôle. Sinon : les clés de lecture par HTTP."""
    if context.invoked_subcommand is not None:
        typed = context.get_parameter_source("data")
        if typed is not None and typed.name == "COMMANDLINE":
            fail(f"--data se donne après « {context.invoked_subcommand} » : ici, elle ne servirait pas.", BAD_INPUT)
        return
    key = _key_of(data)
    tell({"key": str(key), "name": key.name, "id": key.id.hex()}, as_json, str(key))


def verify(
    file: Annotated[
        Path | None, typer.Argument(metavar="FICHIER", help="Export .zip, témoin .json ou signature .txt.", dir_okay=False)
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="CLÉ", help="Clé publique, ou fichier qui la contient ; répétable.")
    ] = None,
    witness: Annotated[Path | None, typer.Option("--witness", help="Témoin gardé auparavant.", dir_okay=False)] = None,
    local: Annotated[bool, typer.Option("--local", help="Vérifie en entier le journal de --data, sans fichier.")] = False,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Vérifie un export, un témoin, ou tout le journal ; nomme ce qui a été changé. Code 1 si quelque chose ne tient pas."""
    keys = [_parsed(one) for one in key or []]
    if local == (file is not None):
        fail("Donnez un fichier à vérifier, ou --local pour le journal de --data.", BAD_INPUT)
    if file is None:
        judge(_local(data, keys), as_json, "tout le journal", witnessed=True)
        return
    if not keys:
        fail("--key : la clé publique reçue de l'exploitant (socle journal key) ; sans elle rien n'est prouvé.", BAD_INPUT)
    kept = None if witness is None else _content(witness)
    try:
        verdict = _verified(file, keys, kept)
    except WitnessError as error:
        fail(f"Témoin illisible : {error}.", BAD_INPUT)
    except OSError as error:
        fail(f"{file} ne peut pas être lu ({in_french(error)}).", BAD_INPUT)
    judge(verdict, as_json, str(file), witnessed=kept is not None)


def witness(
    out: Annotated[Path, typer.Option("-o", "--out", help="Fichier à créer ; jamais écrasé.", dir_okay=False)],
    since: Annotated[
        Path | None, typer.Option("--since", metavar="TÉMOIN", help="Prouver qu'il n'a que grandi depuis.", dir_okay=False)
    ] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Signe l'état présent du journal et l'écrit, pour qui le gardera hors d'ici : l'AMOA, un huissier, un autre exploitant."""
    before = None if since is None else _witness(since)
    if out.exists():
        fail(f"{out} existe déjà : un témoin n'en remplace jamais un autre, choisissez un autre nom.", BAD_INPUT)
    made, key = snapshot_now(data, "witness"), _key_of(data)
    try:
        text = witness_of(data / "gateway", made, key, before)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except NotGrown as error:
        fail(f"{since} : {error} ; base restaurée d'un état antérieur ?", CHECK_FAILED)
    except OSError as error:
        fail(f"{out} ne peut pas être écrit ({in_french(error)}).", BAD_INPUT)
    said = {"file": str(out), "size": made.size, "root": made.root, "at": made.at}
    tell(said, as_json, f"Témoin du {made.at} dans {out} : registre {made.size} lignes, racine {made.root}")


def rekey(by: By = "administrateur", data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Signe désormais avec une nouvelle clé, que l'ancienne désigne ; l'acte est une entrée."""
    check_author(by)

    async def alone(journal: Journal) -> dict[str, Any]:
        notary = await asyncio.to_thread(Notary.open, journal.folder, journal.clock)
        try:
            return await acts.rotate(journal, notary, by)
        finally:
            await asyncio.to_thread(notary.close)

    done = act(data, Settings().environment, "/admin/proof/rotation", {"by": by}, alone)
    tell(done, as_json, f"Nouvelle clé publique, à donner à qui vérifie : {done['key']}\nAncienne : {done['previous']}")


# --- the export ---------------------------------------------------------------------------------------------------------------


def write_export(
    data: Path, out: Path, lines: Iterator[export.Line], asked: dict[str, Any], warning: str | None, witnesses: list[Path]
) -> dict[int, int]:
    """The zip of these lines, under a snapshot taken now; how many of each log. Raises OSError."""
    kept = [_witness(one) for one in witnesses]
    made = snapshot_now(data, "export")
    signer = _signer_of(data, made)
    try:
        with out.open("wb") as file:
            return export.write(file, data / "gateway", made, signer, lines, export.Export(asked, warning, kept))
    except export.TreeDamaged as error:
        fail(f"L'export ne prouverait rien : {error}.", CHECK_FAILED)


def signer_of_last(data: Path) -> Signer:
    """The key that signed the last snapshot; ends the command when it is not there any more."""
    made = snapshot.latest(data / "gateway")
    assert made is not None, "a snapshot was taken before"
    return _signer_of(data, made)


def _signer_of(data: Path, made: Snapshot) -> Signer:
    signer = SigningKey(data / "gateway" / "keys").present(made.origin)
    try:
        if signer is None:
            raise NoteError("no key")
        Note.parse(made.checkpoint).check(signer.public)
    except NoteError:
        fail(f"La clé de signature manque dans {data / 'gateway' / 'keys'}, ou vient de changer : recommencez.", BAD_INPUT)
    return signer


def snapshot_now(data: Path, why: Why) -> Snapshot:
    """A snapshot that covers every entry written so far; ends the command when none can be signed."""

    async def alone(journal: Journal) -> dict[str, Any]:
        notary = await asyncio.to_thread(Notary.open, journal.folder, journal.clock)
        try:
            await asyncio.to_thread(notary.up_to_date, why)
        finally:
            await asyncio.to_thread(notary.close, sign=False)
        return {}

    act(data, Settings().environment, "/admin/proof/snapshot", {"why": why}, alone)
    made = snapshot.latest(data / "gateway")
    assert made is not None, "one was signed just before"
    return made


# --- reading what was given ---------------------------------------------------------------------------------------------------


def _key_of(data: Path) -> PublicKey:
    need_journal(data)
    try:
        key = snapshot.public_key(data / "gateway")
    except RegisterError as error:
        fail(f"Le registre de {data} est abîmé ({error}) : socle journal verify --local.", CHECK_FAILED)
    if key is None:
        fail(_NO_KEY.format(data=data), BAD_INPUT)
    return key


def _parsed(given: str) -> PublicKey:
    path = Path(given)
    try:
        return PublicKey.parse(path.read_text("utf-8") if "+" not in given and path.is_file() else given)
    except (NoteError, OSError, UnicodeDecodeError):
        fail("--key : ni une clé publique (nom+identifiant+clé, socle journal key), ni un fichier qui en contient.", BAD_INPUT)


def _verified(path: Path, keys: list[PublicKey], kept: bytes | None) -> Verdict:
    """What the file is shows by how it begins. Raises WitnessError, OSError."""
    with path.open("rb") as file:
        beginning = file.read(LARGEST + 1)
    if beginning.startswith(b"{"):
        return verify_witness(beginning, keys, kept)
    if is_list(beginning):
        return verify_files(beginning, path.parent, keys, kept)
    return verify_export(path, keys, kept)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        fail(f"{path} ne peut pas être lu ({in_french(error)}).", BAD_INPUT)


def _witness(path: Path) -> Witness:
    try:
        return Witness.parse(_content(path))
    except WitnessError as error:
        fail(f"{path} : {error}.", BAD_INPUT)


def _local(data: Path, keys: list[PublicKey]) -> Verdict:
    need_journal(data)
    with suppress(RegisterError):  # what is wrong with the registry is named below
        if snapshot.public_key(data / "gateway") is None:
            fail(_NO_KEY.format(data=data), BAD_INPUT)
    try:
        return verify_local(data / "gateway", tuple(keys))
    except JournalError as error:
        fail(f"Le journal de {data} ne se lit pas : {str(error).rstrip('.')}.", BAD_INPUT)
