"""compose.yaml: what it publishes, what it hides, and that its commands are ours."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.wire.serving import FIXED_PORTS, SERVED
from gateway.cli.main import app

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return content


def test_only_loopback_is_published_and_every_door_is(compose: dict[str, Any]) -> None:
    assert "ports" not in compose["services"]["postgres"]
    published = [one.split(":") for one in compose["services"]["socle"]["ports"]]
    assert {host for host, _, _ in published} == {"127.0.0.1"}
    assert all(outer == inner for _, outer, inner in published)
    doors = {str(FIXED_PORTS[name]) for name in SERVED if not name.startswith("mock-")} | {str(FIXED_PORTS["mock-control"])}
    assert {outer for _, outer, _ in published} == doors


def test_no_password_is_in_the_file_or_in_an_environment(compose: dict[str, Any]) -> None:
    assert not re.search(r"://[^/@\s]*:[^/@\s]*@", (ROOT / "compose.yaml").read_text(encoding="utf-8"))
    for service in compose["services"].values():
        assert not {"POSTGRES_PASSWORD", "PGPASSWORD", "SOCLE_POSTGRES_PASSWORD"} & set(service["environment"])
        assert service["secrets"] == ["postgres"]
        assert service["healthcheck"]["test"]
    assert compose["secrets"] == {"postgres": {"environment": "SOCLE_POSTGRES_PASSWORD"}}, "the operator's own, never ours"


def test_the_gateway_waits_for_a_server_that_answers(compose: dict[str, Any]) -> None:
    assert compose["services"]["socle"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    image = compose["services"]["postgres"]["image"]
    assert int(image.partition(":")[2]) >= 14


def test_its_command_is_one_of_ours(compose: dict[str, Any]) -> None:
    *_, script = compose["services"]["socle"]["command"]
    command = script.rpartition("exec socle ")[2].replace('"$${SOCLE_WORKERS:-2}"', "2").split()
    assert command == ["up", "--workers", "2"]
    assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0


def test_every_volume_and_secret_that_is_used_is_declared(compose: dict[str, Any]) -> None:
    used = {one.partition(":")[0] for service in compose["services"].values() for one in service["volumes"]}
    assert used == set(compose["volumes"])
