"""A sandbox made by an earlier version gets what it lacks; nothing that is there is replaced (decision 0043)."""
from __future__ import annotations

from pathlib import Path

import orjson

from mocks.sandbox.office import Office
from mocks.sandbox.papers import write
from mocks.sandbox.pki import add_identities


def complete(data: Path) -> None:
    """Before the mocks of ``data`` start: identities of its structures, register, OCSP, fresh lists."""
    sandbox = data / "sandbox"
    path = sandbox / "sandbox.json"
    manifest = orjson.loads(path.read_bytes())
    if add_identities(sandbox, manifest["structures"]):
        write(path, orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), secret=True)
    Office(sandbox).complete()
