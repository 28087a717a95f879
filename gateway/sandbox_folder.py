"""What `socle up` expects of a data folder: a whole sandbox, and a registry to measure its structures by."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from gateway.grappes.install import install, sandbox_grappe


def damage(data: Path) -> str | None:
    """What is missing or unreadable in ``data/sandbox``, in French with what to do; None when it is whole."""
    sandbox = data / "sandbox"
    try:
        files = _files(orjson.loads((sandbox / "sandbox.json").read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return _said(data, "sandbox.json est illisible")
    try:
        population = orjson.loads((sandbox / "population.json").read_bytes())
        whole = isinstance(population, dict) and all(isinstance(population.get(k), list) for k in ("persons", "professionals"))
    except (OSError, ValueError):
        whole = False
    if not whole:
        return _said(data, "population.json est illisible")
    missing = next((path for path in files if not (sandbox / path).is_file()), None)
    return None if missing is None else _said(data, f"{missing} manque")


def install_registry(data: Path) -> None:
    """When the folder has no grappe, write that of the sandbox's own structures: what they send counts (docs/usage.md)."""
    folder = data / "gateway" / "grappes"
    if any(folder.glob("*.json")):
        return
    manifest, population = (orjson.loads((data / "sandbox" / f"{name}.json").read_bytes()) for name in ("sandbox", "population"))
    install(sandbox_grappe(manifest, population), manifest, population, folder)


def _files(manifest: dict[str, Any]) -> list[str]:
    pki, structures = manifest["pki"], manifest["structures"]
    listed = [pki[name] for name in ("ca", "root", "issuing", "crl", "truststore_p12")]
    listed += [pki["server"][part] for part in ("cert", "key")]
    return listed + [one[use][part] for one in structures for use in ("auth_cli", "sign") for part in ("cert", "key", "p12")]


def _said(data: Path, what: str) -> str:
    return f"Le bac à sable de {data} est abîmé : sandbox/{what}. Rétablissez ce fichier, ou effacez {data} pour tout refaire."
