"""What a vendor needs for a first call, read from the sandbox manifest: the answer of `socle up --json`."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from gateway.population import People
from gateway.supervise import Supervisor

_PERSONS, _PROFESSIONALS = 5, 3


def first_call(data: Path, supervisor: Supervisor) -> dict[str, Any]:
    """Base URLs, trust, certificates, accounts and fictitious people of the running sandbox. Paths are absolute."""
    folder = data / "sandbox"
    manifest = orjson.loads((folder / "sandbox.json").read_bytes())
    people = People.of(folder)
    structure = manifest["structures"][0]
    client = manifest["psc_clients"][0]
    return {
        "simulated": True,
        "bases": {
            "insi": supervisor.url("insi") + "/lps",
            "insi_oneway": supervisor.url("insi-oneway") + "/lps",
            "dmp": supervisor.url("dmp") + "/si-dmp-server/v2/services/",
            "psc": supervisor.url("psc") + "/auth/realms/esante-wallet",
            "psc_wallet": supervisor.url("psc-wallet") + "/auth",
            "annuaire": supervisor.url("annuaire") + "/fhir/v2",
            "smtp": supervisor.url("smtp"),
            "console": supervisor.url("console"),
            "controle": supervisor.url("mock-control"),
        },
        "confiance": {
            "ca_pem": str(folder / manifest["pki"]["ca"]),
            "truststore_p12": str(folder / manifest["pki"]["truststore_p12"]),
            "truststore_password": manifest["pki"]["truststore_password"],
        },
        "structure": {key: structure[key] for key in ("finess_et", "finess_ej", "struct_id", "name")},
        "certificats": {kind: _certificate(structure[kind], folder) for kind in ("auth_cli", "auth_manu", "sign")},
        "psc": {
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "redirect_uris": client["redirect_uris"],
            "declarer_redirect_uri": f"socle sandbox client redirect {client['client_id']} https://votre-dui.test/callback",
        },
        "annuaire_key": manifest["annuaire_keys"][0]["key"],
        "cle_portes_simples": next(
            (row["key"] for row in manifest.get("own_keys", []) if structure["finess_et"] in row["structures"]), None
        ),
        "idam": manifest["idam"],
        "nil": manifest["nil"],
        "personnes": people.first_persons(_PERSONS),
        "professionnels": people.staff(structure["finess_et"], _PROFESSIONALS),
        "bal": structure["mailboxes"],
    }


def _certificate(row: dict[str, Any], folder: Path) -> dict[str, str]:
    paths = {key: str(folder / row[key]) for key in ("cert", "key", "p12")}
    return {"cn": row["cn"], **paths, "password": row["password"]}
