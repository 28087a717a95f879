"""What the system says of a file is said in French."""
from __future__ import annotations

from pathlib import Path

import pytest

from gateway.os_errors import in_french


def test_the_usual_ones_are_french(tmp_path: Path) -> None:
    (tmp_path / "fichier").touch()
    for path, said in (("absent", "introuvable"), (".", "c'est un dossier"), ("x" * 300, "nom trop long"),
                       ("fichier/x", "un élément du chemin n'est pas un dossier")):  # fmt: skip
        with pytest.raises(OSError) as failed:
            (tmp_path / path).read_bytes()
        assert in_french(failed.value) == said


def test_a_rare_one_keeps_the_words_of_the_system() -> None:
    assert in_french(OSError(5000, "odd")) == "odd"
    assert in_french(OSError("no number")) == "no number"
