"""`socle usage export --sign`: beside the files, the entries behind the measures with their proof, and one signature over all."""
from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import file_digest
from pathlib import Path

from gateway.access.sight import places_of
from gateway.cli.journal import open_reader
from gateway.cli.journal_proof import signer_of_last, write_export
from gateway.exports.edition import Edition
from gateway.exports.whole import write_whole
from gateway.journal.filters import Filters, period
from gateway.journal.proof.signed_files import text_of

_ZONES = timedelta(days=1)  # a day of an ESSMS overseas begins before that of Paris, or ends after it


def sign(data: Path, out: Path, edition: Edition, files: Sequence[Path]) -> list[Path]:
    """Write the proof and the signature of one edition's files; the two paths. Raises OSError."""
    proof, signature = out / edition.name("preuve", "zip"), out / edition.name("signature", "txt")
    first, last = min(one.start for one in edition.windows) - _ZONES, max(one.last_day for one in edition.windows) + _ZONES
    asked = {"grappe": edition.grappe.id, "environment": edition.environment, "from": first.isoformat(), "to": last.isoformat()}
    filters = Filters(
        within=places_of([edition.grappe]), environment=edition.environment, event=period(first.isoformat(), last.isoformat())
    )
    with open_reader(data) as reader:
        rows = ((entry["log"], entry["seq"], body) for body, entry in reader.select(filters))
        write_whole(proof, lambda draft: write_export(data, draft, rows, asked, edition.warning, []))
    digests = {path.name: _sha256(path) for path in (*files, proof)}
    note = signer_of_last(data).sign(text_of(digests))
    write_whole(signature, lambda draft: draft.write_text(note, "utf-8"))
    return [proof, signature]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
