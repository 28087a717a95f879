"""Real third-party software in front of, or behind, our doors. What is not installed is skipped, but not in CI."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_DEBIAN = {
    "dovecot": "dovecot-submissiond dovecot-lmtpd", "msmtp": "msmtp", "curl": "curl", "openssl": "openssl",
    "mbsync": "isync libsasl2-modules",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.peers)


def program(name: str) -> str:
    """The path of a program; skips the test when it is absent, fails it when CI should have installed it."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed: apt-get install {_DEBIAN[name]}")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: {_DEBIAN[name]})")
    return found
