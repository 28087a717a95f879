"""A sandbox made by an earlier version gets what it lacks; nothing that is there is replaced (decision 0043)."""
from __future__ import annotations

from pathlib import Path

import orjson

from mocks.sandbox.office import Office
from mocks.sandbox.papers import write_manifest
from mocks.sandbox.pki import add_identities


class CannotComplete(Exception):
    """A file of the certificates cannot be read or written; the text is French and names it."""


def complete(data: Path) -> None:
    """Before the mocks of ``data`` start: identities of its structures, register, OCSP, fresh lists. Raises CannotComplete,
    DamagedState."""
    try:
        _complete(data)
    except OSError as error:
        raise CannotComplete(
            f"Les certificats du bac à sable ne peuvent servir : {error.filename or data} ({error.strerror}). "
            f"Rétablissez ce fichier, faites de la place, ou effacez {data} pour tout refaire."
        ) from error
    except ValueError as error:
        raise CannotComplete(
            f"Les certificats du bac à sable sont abîmés : dans {data / 'sandbox' / 'pki'}, un fichier n'est pas un certificat, "
            f"une clé ou une liste lisible. Rétablissez-le, ou effacez {data} pour tout refaire."
        ) from error


def _complete(data: Path) -> None:
    sandbox = data / "sandbox"
    path = sandbox / "sandbox.json"
    manifest = orjson.loads(path.read_bytes())
    if add_identities(sandbox, manifest["structures"]):
        write_manifest(sandbox, manifest)
    Office(sandbox).complete()
