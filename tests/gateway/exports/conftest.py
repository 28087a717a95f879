"""The journal of the usage tests, filled by the real writer."""
from __future__ import annotations

from tests.gateway.usage.conftest import fill, journal_file

__all__ = ["fill", "journal_file"]
