"""What an export holds: the SHA-256 of each of its files, and all that the numbers depend on.

Two exports of the same measures by the same software have the same manifest, to the byte.
"""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.exports.cells import local_and_utc
from gateway.exports.edition import Edition
from gateway.exports.fhir_measures import FHIR_VERSION
from gateway.exports.json_rates import to_bytes
from gateway.exports.whole import write_whole
from gateway.usage.measure import Measure


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def with_manifest(edition: Edition, files: Sequence[File]) -> list[File]:
    """The files, their manifest, and the list of digests that ``sha256sum -c`` reads."""
    manifest = File(edition.name("manifeste", "json"), _manifest(edition, files))
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in (*files, manifest))
    return [*files, manifest, File(edition.name("empreintes", "sha256"), sums.encode())]


def write(folder: Path, files: Sequence[File]) -> list[Path]:
    """Each file whole or not at all: a reader never finds half of one. Raises OSError."""
    written = []
    for file in files:
        path = folder / file.name
        write_whole(path, partial(Path.write_bytes, data=file.content))
        written.append(path)
    return written


def _manifest(edition: Edition, files: Sequence[File]) -> bytes:
    last = edition.last
    local, utc = local_and_utc(edition.as_of)
    return to_bytes({
        "socle": "export",
        "avertissement": edition.warning,
        "simulated": last.simulated,
        "environment": edition.environment,
        "grappe": edition.grappe.id,
        "windows": [_window(edition.of_window(one)) for one in edition.windows],
        "as_of": utc,
        "as_of_local": local,
        "software": edition.software,
        "fhir_version": FHIR_VERSION,
        "definition_version": last.definition_version,
        "options": sorted({row.options.label for row in edition.measures}),
        "vector": [list(pair) for pair in last.vector],
        "snapshot_root": edition.root,
        "files": [{"name": file.name, "size": len(file.content), "sha256": file.sha256} for file in files],
    })  # fmt: skip


def _window(row: Measure) -> dict[str, Any]:
    """What the measures of one window depend on."""
    return {
        "window": row.window.kind, "period_start": row.window.start.isoformat(), "period_end": row.window.last_day.isoformat(),
        "state": row.state, "version": row.version, "registry_version": row.registry_version,
        "vector": [list(pair) for pair in row.vector], "snapshot_root": row.snapshot_root,
    }  # fmt: skip
