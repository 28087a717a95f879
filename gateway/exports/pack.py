"""The files of an export: which formats there are, and what each writes for one edition."""
from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.exports.ars_lines import ars_lines
from gateway.exports.copil import copil_pdf, copil_xlsx
from gateway.exports.copil_boxes import boxes
from gateway.exports.csv_rates import rates_csv
from gateway.exports.edition import Edition
from gateway.exports.fhir_reports import bundle
from gateway.exports.json_rates import rates_json
from gateway.exports.manifest import File
from gateway.exports.xlsx_rates import rates_xlsx

Maker = Callable[[Edition], Iterable[File]]


def _copil(edition: Edition) -> Iterable[File]:
    found = boxes(edition)
    yield File(edition.name("copil", "pdf"), copil_pdf(edition, found))
    yield File(edition.name("copil", "xlsx"), copil_xlsx(edition, found))


#: Formats that need the measures only. The others also open the entries of the journal.
MAKERS: dict[str, Maker] = {
    "csv": lambda edition: [File(edition.name("taux", "csv"), rates_csv(edition.measures, edition.as_of))],
    "xlsx": lambda edition: [File(edition.name("taux", "xlsx"), rates_xlsx(edition))],
    "json": lambda edition: [File(edition.name("taux", "json"), rates_json(edition.measures, edition.as_of))],
    "fhir": lambda edition: [File(edition.name("fhir", "json"), bundle(edition))],
    "ars": lambda edition: [File(edition.name("ars", "csv"), ars_lines(edition))],
    "copil": _copil,
}


def files_of(edition: Edition, formats: Iterable[str]) -> list[File]:
    """The files of these formats of ``MAKERS``, in the order of the table. ValueError: mixed environments."""
    wanted = set(formats)
    return [file for name, make in MAKERS.items() if name in wanted for file in make(edition)]
