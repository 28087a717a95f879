"""The commands of docs/embarquer.md, run as they are written; the tables of docs/bac-a-sable.md against the API."""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import orjson

from gateway.embedding import Sandbox
from mocks.sandbox.api import PROBLEMS

ROOT = Path(__file__).parents[2]


def run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_search_and_the_first_feed_of_the_guide_succeed(socle_sandbox: Sandbox) -> None:
    text = (ROOT / "docs" / "embarquer.md").read_text("utf-8")
    commands = re.findall(r"^```sh\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    given: Any = socle_sandbox.given
    manifest = orjson.loads((socle_sandbox.data / "sandbox" / "sandbox.json").read_bytes())
    mine = socle_sandbox.certificate("auth_cli")
    environment = {
        "INSI": given["bases"]["insi"], "CONSOLE": given["bases"]["console"], "CONTROLE": given["bases"]["controle"],
        "CA": str(socle_sandbox.ca), "CERT": str(mine.cert), "KEY": str(mine.key),
        "CLE": given["cle_portes_simples"], "CLE_CONTROLE": manifest["control_key"],
    }  # fmt: skip
    search, feed, look = (run(command, environment) for command in commands)
    assert "<CodeCR>00</CodeCR>" in search
    assert orjson.loads(feed)["statut"] == "accepte"
    shown = orjson.loads(look)
    assert (shown["reached"], shown["documents"][0]["matricule"]) == (True, "275126322074974")
    assert [entry["outcome"] for entry in socle_sandbox.entries() if entry["kind"] == "call"][:2] == ["ok", "ok"]


def test_the_login_of_the_guide_gives_the_identity(socle_sandbox: Sandbox) -> None:
    text = (ROOT / "docs" / "psc.md").read_text("utf-8")
    [login] = re.findall(r"^```sh\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    psc, bases = socle_sandbox.given["psc"], socle_sandbox.given["bases"]
    there = {"client_id": psc["client_id"], "uri": "https://votre-dui.test/callback"}
    socle_sandbox.control("POST", "/psc/redirects", there)
    environment = {
        "CA": str(socle_sandbox.ca), "PSC": bases["psc"], "PAGE": bases["psc_wallet"],
        "CLIENT": psc["client_id"], "SECRET": psc["client_secret"],
    }  # fmt: skip
    assert orjson.loads(run(login, environment))["SubjectNameID"] == "899700990007"


def test_the_guide_names_every_refusal_and_every_route(socle_sandbox: Sandbox) -> None:
    text = (ROOT / "docs" / "bac-a-sable.md").read_text("utf-8")
    listed = re.findall(r'<a id="probleme-([a-z-]+)"></a>`([a-z-]+)` \| (\d+) \|', text)
    assert [(one, other, int(status)) for one, other, status in listed] == [(slug, slug, s) for s, (slug, _) in PROBLEMS.items()]
    guides = text + "".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("pannes", "certificats", "population")
                            if (ROOT / "docs" / f"{name}.md").exists())  # fmt: skip
    routes = {path.split("/")[1] for path in socle_sandbox.control("GET", "/openapi.json")["paths"]}
    assert {route for route in routes if f"/{route}" not in guides and f"sandbox {route}" not in guides} == set()
