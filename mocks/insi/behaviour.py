"""What INSi answers to one request: order of checks (reference: insi §9.2), matching (§9.3), forced scenarios (§9.4).

Pure: no socket, no clock. Every line of ledger.toml cites a test of this module or of the application around it.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from mocks.insi import faults, wire
from mocks.insi.state import Person, Register

ALLOWED_CN = frozenset({"INSI-AUTO", "INSI-MANU"})  # compared literally (insi §2.2)

_SEQUENCE = ("NomNaissance", "Prenom", "Sexe", "DateNaissance", "LieuNaissance")
MAGIC_FAULTS = {"FAUTE INSI102": "insi_102", "FAUTE DESIR1020": "desir_1020"}
MAGIC_SLOW = "LENT"

_LABELS = {"CR01": "Aucune identite trouvee", "CR02": "Plusieurs identites trouvees"}

_PLACE = re.compile(r"([0-9]{2}|2[AB])[0-9]{3}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NORMALISED = re.compile(r"[A-Z'][A-Z' -]*")
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Reply:
    """``code`` is the most precise one answered: CR00, insi_19, desir_550, siram_10, Sender."""

    status: int
    code: str
    body: bytes = field(repr=False)
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The traits of one request; None when absent or empty."""

    birth_name: str | None = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str | None = field(repr=False)
    birth_date: str | None = field(repr=False)
    birth_place: str | None = field(repr=False)


def answer(message: wire.Message, cn: str | None, register: Register) -> Reply:
    """Answer one well-formed request.

    cn  common name of the client's certificate, None when it could not be read
    """
    if cn not in ALLOWED_CN:
        return known_fault("desir_560", message)
    if not _contexts_complete(message):
        return plain_fault(faults.BAD_CONTEXT)
    if _idam(message) not in register.idams:
        return known_fault("desir_550", message)
    if not message.searches_traits or message.body is None or message.body.tag != wire.ROOT_TRAITS:
        return plain_fault(faults.UNKNOWN_OPERATION)
    if not _in_sequence(message.body):
        return plain_fault(faults.BAD_BODY)
    asked = _asked(message.body)
    refused = _field_fault(asked, strict=register.rules.strict)
    if refused is not None:
        return known_fault(refused, message)
    return _forced(asked, message) or _search(asked, message, register)


def known_fault(code: str, message: wire.Message) -> Reply:
    """A fault of the table, in the shape of its family: insi_* by the application, desir_* by the front gateway."""
    text = faults.FAULTS[code]
    body = wire.application_fault(text) if code.startswith("insi_") else wire.gateway_fault(text, message.message_id)
    return Reply(500, code, body)


def plain_fault(text: wire.FaultText) -> Reply:
    """A fault for which no official code is known: none is invented."""
    return Reply(500, text.subcode or text.role, wire.gateway_fault(text, None))


def injected_fault(code: str, message: wire.Message) -> Reply:
    """A business answer armed by the control API: a fault of the table, CR01 or CR02."""
    if code in _LABELS:
        return Reply(200, code, wire.result(code.removeprefix("CR"), _LABELS[code]))
    return known_fault(code, message) if code in faults.FAULTS else plain_fault(faults.UNKNOWN_INJECTED)


def sought(message: wire.Message | None, register: Register) -> list[str]:
    """The matricules that a search would find, former ones included: whom a request is about."""
    if message is None or message.body is None or message.body.tag != wire.ROOT_TRAITS:
        return []
    found = _matching(_asked(message.body), register)
    return [one["matricule"] for person in found for one in (person, *person.get("history", ()))]


def _contexts_complete(message: wire.Message) -> bool:
    """Required parts only: the real service takes any Version, Nature or Emetteur (insi §9.1)."""
    for block, namespace, names in (
        (message.lps, wire.LPS, ("Id", "Temps")),
        (message.bam, wire.BAM, ("Id", "Temps", "COUVERTURE")),
    ):
        if block is None or block.get("Version") is None or any(block.find(f"{namespace}{name}") is None for name in names):
            return False
    return True


def _idam(message: wire.Message) -> str | None:
    idam = None if message.lps is None else message.lps.find(f"{wire.LPS}LPS/{wire.LPS}IDAM")
    return None if idam is None or idam.get("R") != "4" else (idam.text or "").strip()


def _in_sequence(body: wire.Element) -> bool:
    places = [_SEQUENCE.index(name) if (name := _name(child)) in _SEQUENCE else -1 for child in body]
    repeated = [place for place in set(places) if places.count(place) > 1]
    return -1 not in places and places == sorted(places) and repeated in ([], [_SEQUENCE.index("Prenom")])


def _name(child: wire.Element) -> str:
    return child.tag.removeprefix(wire.TRAITS) if isinstance(child.tag, str) and child.tag.startswith(wire.TRAITS) else ""


def _asked(body: wire.Element) -> Asked:
    def text(name: str) -> str | None:
        return body.findtext(f"{wire.TRAITS}{name}") or None

    first_names = tuple(token for element in body.findall(f"{wire.TRAITS}Prenom") for token in (element.text or "").split())
    return Asked(text("NomNaissance"), first_names, text("Sexe"), text("DateNaissance"), text("LieuNaissance"))


def _field_fault(asked: Asked, *, strict: bool) -> str | None:
    """The first field at fault, in the order of the fields."""
    if asked.birth_name is None:
        return "insi_19"
    if not _is_name(asked.birth_name, strict=strict):
        return "insi_20"
    if not asked.first_names:
        return "insi_21"
    if not _is_name(" ".join(asked.first_names), strict=strict):
        return "insi_22"
    if asked.sex is None:
        return "insi_23"
    if asked.sex not in ("M", "F"):
        return "insi_24"
    if asked.birth_date is None:
        return "insi_25"
    if not _is_day(asked.birth_date):
        return "insi_26"
    if asked.birth_place is not None and not _PLACE.fullmatch(asked.birth_place):
        return "insi_27"
    return None


def _is_name(text: str, *, strict: bool) -> bool:
    return len(text) <= _MAX_NAME and (not strict or _NORMALISED.fullmatch(text) is not None)


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _forced(asked: Asked, message: wire.Message) -> Reply | None:
    code = MAGIC_FAULTS.get(asked.birth_name or "")
    return None if code is None else known_fault(code, message)


def _search(asked: Asked, message: wire.Message, register: Register) -> Reply:
    delay_s = register.rules.slow_s if asked.birth_name == MAGIC_SLOW else 0.0
    matches = _matching(asked, register)
    if not matches and register.rules.unknown_person != "cr01":
        return known_fault(register.rules.unknown_person, message)
    if not matches:
        return Reply(200, "CR01", wire.result("01", _LABELS["CR01"]), delay_s)
    if len(matches) > 1:
        return Reply(200, "CR02", wire.result("02", _LABELS["CR02"]), delay_s)
    return Reply(200, "CR00", wire.result("00", "OK", matches[0]), delay_s)


def _matching(asked: Asked, register: Register) -> list[Person]:
    born = register.born(asked.birth_name or "", asked.birth_date or "")
    return [person for person in born if _matches(person, asked, register)]


def _matches(person: Person, asked: Asked, register: Register) -> bool:
    """Plain equality, no folding of case or accents: a client that forgets to normalise finds nobody (insi §9.3)."""
    if (person["sex"], person["birth_date"]) != (asked.sex, asked.birth_date):
        return False
    if asked.birth_place is not None and person["birth_place"] != asked.birth_place:
        return False
    known = " ".join(person["first_names"]).split()
    wanted = list(asked.first_names)
    if register.rules.any_token and len(wanted) == 1:
        return wanted[0] in known
    return known[: len(wanted)] == wanted
