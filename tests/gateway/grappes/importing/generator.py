"""Made-up grappes of made-up establishments, their tables with defects, and what each row should become."""
from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass, field
from pathlib import Path

import xlsxwriter

POSTCODES = ["01000", "06400", "13200", "20090", "20200", "29200", "31190", "50100", "66300", "75019", "82370", "95260", "97110",
             "97200", "97300", "97410", "97500", "97600"]  # fmt: skip
KINDS = ["EHPAD", "RESIDENCE AUTONOMIE", "SSIAD", "ESAT", "MAS", "CAJ", "FH", "SAVS"]
TREES = [
    "ACACIAS", "BOULEAUX", "CHENES", "ERABLES", "FRENES", "GENETS", "HETRES", "IFS", "JONCS", "LAURIERS", "MELEZES", "NOYERS",
]  # fmt: skip
HEADERS = {
    "finess_et": ["code_finess_geo", "Code Fitness Geo", "N° FINESS\ngéographique", "FINESS ET", "Finess établissement", "FINESS",
                  "FINES géo", "N°FINESS ET"],
    "etablissement": ["etablissement", "Établissement", "Nom de l'établissement", "RAISON SOCIALE ET", "Dénomination",
                      "Etablisement"],
    "code_postal": ["dept", "Dept.", "Code postal", "CP", "Département"],
    "ville": ["ville", "Commune", "VILLE"],
    "contact": ["lu_et_approuve", "Contact", "Signature"],
    "personnes": ["nombre_personnes_accompagnees", "Nb de personnes accompagnées", "File active"],
    "ligne": ["ligne", "N°", "n° ligne"],
}  # fmt: skip


@dataclass
class Line:
    """One establishment: its true number, what each table writes, and how many persons it has."""

    number: str
    name: str
    postcode: str
    city: str
    persons: int
    typed: dict[str, str] = field(default_factory=dict)


def key(body: str) -> str:
    total = 0
    for index, char in enumerate(reversed(body)):
        digit = {"A": 1, "B": 2}.get(char) or int(char)
        doubled = digit * 2 if index % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def number_at(rng: random.Random, postcode: str) -> str:
    if postcode.startswith("976"):
        body = "980" + f"{rng.randrange(10**5):05d}"
    elif postcode.startswith("97"):
        body = "970" + postcode[2] + f"{rng.randrange(10**4):04d}"
    else:
        prefix = {"200": "2A", "202": "2B"}.get(postcode[:3], postcode[:2])
        body = prefix + "0" + f"{rng.randrange(10**5):05d}"
    return body + key(body)


def grappe(rng: random.Random, size: int) -> list[Line]:
    lines: list[Line] = []
    while len(lines) < size:
        at = len(lines)
        postcode = rng.choice(POSTCODES)
        number = number_at(rng, postcode)
        if number not in [line.number for line in lines]:
            name = f"{rng.choice(KINDS)} LES {TREES[at % len(TREES)]}" + ("" if at < len(TREES) else f" {at // len(TREES) + 1}")
            lines.append(Line(number, name, postcode, f"VILLE {postcode}", rng.randrange(5, 200)))
    return lines


def spaced(number: str) -> str:
    return f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"


def without(rng: random.Random, number: str) -> str:
    at = rng.randrange(len(number))
    return number[:at] + number[at + 1 :]


def changed(rng: random.Random, number: str) -> str:
    at = rng.randrange(2, 9)
    return number[:at] + rng.choice([char for char in "0123456789" if char != number[at]]) + number[at + 1 :]


def added(rng: random.Random, number: str) -> str:
    at = rng.randrange(2, 10)
    return number[:at] + rng.choice("0123456789") + number[at:]


def elsewhere(rng: random.Random, line: Line) -> str:
    return number_at(rng, rng.choice([one for one in POSTCODES if one[:3] != line.postcode[:3] and one[:2] != line.postcode[:2]]))


DEFECTS = [
    "none", "none", "spaced_one", "spaced_all", "lost_one", "lost_all", "changed_one", "changed_all", "added_all", "added_one",
    "elsewhere", "seven", "eleven", "siret", "letter", "blank_one", "blank_all", "shared", "both_hold", "quantity",
]  # fmt: skip


def spoil(rng: random.Random, defect: str, line: Line, lines: list[Line], tables: list[str]) -> None:
    """Write what each table types for this line."""
    right, one = line.number, rng.choice(tables)
    everywhere = {
        "spaced_all": lambda: spaced(right), "lost_all": lambda: without(rng, right), "changed_all": lambda: changed(rng, right),
        "added_all": lambda: added(rng, right), "elsewhere": lambda: elsewhere(rng, line), "seven": lambda: right[:2] + right[4:],
        "eleven": lambda: right + "07", "siret": lambda: f"{rng.randrange(10**14):014d}",
        "blank_all": lambda: rng.choice(["", "...", "néant"]), "letter": lambda: right[:2] + "O" + right[3:],
        "shared": lambda: rng.choice(lines).number, "quantity": lambda: right + ".0" * right.isdecimal(),
    }  # fmt: skip
    if defect in everywhere:
        text = everywhere[defect]()
        line.typed = dict.fromkeys(tables, text)
        return
    line.typed = dict.fromkeys(tables, right)
    in_one = {
        "spaced_one": lambda: spaced(right), "lost_one": lambda: without(rng, right), "changed_one": lambda: changed(rng, right),
        "added_one": lambda: added(rng, right), "blank_one": lambda: "", "both_hold": lambda: number_at(rng, line.postcode),
    }  # fmt: skip
    if defect in in_one:
        line.typed[one] = in_one[defect]()


def rows_of(rng: random.Random, lines: list[Line], table: str, fields: list[str], variant: dict[str, str]) -> list[list[str]]:
    """The header and the rows, as text, of one table."""
    rows = [[variant[name] for name in fields]]
    for at, line in enumerate(lines, 1):
        cells = {
            "ligne": str(at), "finess_et": line.typed[table], "etablissement": line.name, "code_postal": line.postcode,
            "ville": line.city + "S" * (rng.random() < 0.2), "contact": "Lu et approuvé", "personnes": str(line.persons),
        }  # fmt: skip
        rows.append([cells[name] for name in fields])
    return rows


def around(rng: random.Random, rows: list[list[str]]) -> list[list[str]]:
    """Titles above, blank lines, the header again, a total at the end."""
    header, body = rows[0], [list(row) for row in rows[1:]]
    if rng.random() < 0.5:
        body.insert(rng.randrange(1, len(body) + 1), list(header))
    if rng.random() < 0.5:
        body.insert(rng.randrange(len(body) + 1), [""] * len(header))
    if rng.random() < 0.5:
        body.append(["TOTAL"] + [""] * (len(header) - 1))
    above = [["Annexe 1 : établissements de la grappe"] + [""] * (len(header) - 1)] if rng.random() < 0.5 else []
    return [*above, list(header), *body]


def write(rng: random.Random, folder: Path, name: str, rows: list[list[str]], form: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if form == "xlsx":
        book = xlsxwriter.Workbook(folder / f"{name}.xlsx")
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            for column, text in enumerate(row):
                sheet.write_string(at, column, text)
        book.close()
        return
    if form == "text":
        flat = [" | ".join(" ".join(cell.split()) or " " for cell in row) for row in rows]
        (folder / f"{name}.txt").write_text("\n".join(flat) + "\n", "utf-8")
        return
    separator, encoding = form.split("/")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter={"semicolon": ";", "comma": ",", "tab": "\t"}[separator], lineterminator="\r\n").writerows(rows)
    (folder / f"{name}.csv").write_bytes(text.getvalue().encode(encoding))


FORMS = [
    "xlsx", "text", "semicolon/cp1252", "semicolon/utf-8-sig", "comma/utf-8", "tab/utf-16", "comma/utf-16-le", "semicolon/utf-8",
]  # fmt: skip
