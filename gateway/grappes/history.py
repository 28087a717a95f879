"""What became of a grappe, version by version: the journal's word for each, and whether its file still says the same."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.grappes import versions


@dataclass(frozen=True, slots=True)
class Step:
    """One version. The first one of a grappe may have no entry: its file was there before the journal spoke of it.

    intact  whether the file is the one that the entry names; None without an entry or without a file
    """

    version: int
    recorded_at: str | None
    by: str | None
    change: tuple[str, ...]
    touched: tuple[dict[str, str | None], ...]
    entry: str | None
    intact: bool | None

    def item(self) -> dict[str, Any]:
        return {
            "version": self.version, "recorded_at": self.recorded_at, "by": self.by, "change": list(self.change),
            "touched": list(self.touched), "entry": self.entry, "intact": self.intact,
        }  # fmt: skip


def history(gateway: Path, folder: Path, grappe_id: str) -> list[Step]:
    """The versions of a grappe, the oldest first; ``gateway`` holds the journal, ``folder`` the registry."""
    steps = {number: Step(number, None, None, (), (), None, None) for number in versions.kept(folder, grappe_id)[:1]}
    for entry in versions.registry_entries(gateway):
        said = entry["detail"]
        if said["grappe"] == grappe_id:
            steps[said["version"]] = Step(
                said["version"], entry["recorded_at"], said["by"], tuple(said["change"]), tuple(said["touched"]), entry["id"],
                _intact(folder, grappe_id, said["version"], said["sha256"]),
            )  # fmt: skip
    return [steps[number] for number in sorted(steps)]


def _intact(folder: Path, grappe_id: str, number: int, sha256: str) -> bool | None:
    content = versions.file_of(folder, grappe_id, number)
    return None if content is None else hashlib.sha256(content).hexdigest() == sha256
