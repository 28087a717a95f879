"""What `socle up` expects of a data folder: a whole sandbox, and a registry to measure its structures by."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from gateway.grappes.install import install, sandbox_grappe
from gateway.grappes.model import Grappe
from gateway.population import FILE_NAME, People, UnreadablePopulation


def damage(data: Path) -> str | None:
    """What is missing or unreadable in ``data/sandbox``, in French with what to do; None when it is whole."""
    sandbox = data / "sandbox"
    try:
        files = _files(orjson.loads((sandbox / "sandbox.json").read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return _said(data, "sandbox.json est illisible")
    if not kept_before(data):
        try:
            People.of(sandbox)
        except UnreadablePopulation:
            return _said(data, f"{FILE_NAME} est illisible")
    missing = next((path for path in files if not (sandbox / path).is_file()), None)
    return None if missing is None else _said(data, f"{missing} manque")


def install_registry(data: Path) -> None:
    """When the folder has no grappe, write that of the sandbox's own structures: what they send counts (docs/usage.md)."""
    folder = data / "gateway" / "grappes"
    if any(folder.glob("*.json")):
        return
    install_grappe(data)


def install_grappe(data: Path, grappe: Grappe | None = None) -> None:
    """Put a grappe into the registry, that of the sandbox's own structures by default, with the sandbox's mailboxes."""
    manifest = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())
    people = People.of(data / "sandbox")
    chosen = grappe or sandbox_grappe(manifest, people.persons_of_structures())
    install(chosen, manifest, people.boxes(), data / "gateway" / "grappes")


def kept_before(data: Path) -> bool:
    """Whether a sandbox still has its people in the JSON file of former versions; ``python -m mocks init`` takes them over."""
    return (data / "sandbox" / "population.json").exists() and not (data / "sandbox" / FILE_NAME).exists()


def _files(manifest: dict[str, Any]) -> list[str]:
    pki, structures = manifest["pki"], manifest["structures"]
    listed = [pki[name] for name in ("ca", "root", "issuing", "crl", "truststore_p12")]
    listed += [pki["server"][part] for part in ("cert", "key")]
    listed += [pki[name].replace(".pem", ".key") for name in ("root", "issuing")]  # they sign the lists every day
    uses = ("auth_cli", "auth_manu", "sign")
    return listed + [one[use][part] for one in structures for use in uses if use in one for part in ("cert", "key", "p12")]


def _said(data: Path, what: str) -> str:
    return f"Le bac à sable de {data} est abîmé : sandbox/{what}. Rétablissez ce fichier, ou effacez {data} pour tout refaire."
