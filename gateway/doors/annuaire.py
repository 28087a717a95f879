"""The native door of the Annuaire Santé: FHIR over HTTPS, the caller named by its ESANTE-API-KEY (psc-annuaire §17-§20)."""
from __future__ import annotations

import re

import orjson

from connectors.wire.http import Answer
from gateway.access.callers import UNKNOWN, Access, Caller
from gateway.journal.record import Intent, Record
from gateway.operations import Service
from gateway.road import Refusal, Request

API_KEY_HEADER = "esante-api-key"
BASE_PATH = "/fhir/v2"
RESOURCES = frozenset({"Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Device"})

_CODE = re.compile(r"[a-z-]{1,40}")
_READS = frozenset({"GET", "HEAD"})


class AnnuaireDoor:
    """``base`` is the service's base without path: scheme, host and port."""

    service: Service = "ANN"
    lends_identity = False  # the key in the header is the credential

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def identify(self, request: Request, access: Access) -> Caller:
        """By API key; an unknown key is relayed, the service refuses it."""
        key = request.header(API_KEY_HEADER)
        return access.by_api_key(key) if key else UNKNOWN

    def upstream(self, request: Request) -> str:
        return self._base + request.target

    def read(self, request: Request, record: Record, caller: Caller) -> Intent | None:
        """A search, a page of one or a read is ANN.RECHERCHE; anything else is not recognised."""
        known = is_search(request.method, request.target.partition("?")[0])
        record.operation = "ANN.RECHERCHE" if known else "ANN.INCONNUE"
        if not known and request.target.partition("?")[0] != f"{BASE_PATH}/metadata":
            record.flag("V-CHEMIN" if request.method in _READS else "V-ECRITURE")
        return None

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        """Outcome by HTTP status, with the first issue code of an OperationOutcome beside it."""
        issue = _issue_code(answer.readable()) if answer.status >= 400 else None
        record.service_code = f"HTTP {answer.status}" + (f" {issue}" if issue else "")
        if answer.status < 400:
            record.outcome = "ok"
        elif answer.status >= 500:
            record.outcome = "failed"
            record.flag("N-INDISPONIBLE")
        elif answer.status in (401, 403) and issue is None:  # the API gateway speaks, not the FHIR server
            record.outcome = "unauthorised"
            record.flag("V-CLE-API")
        elif answer.status == 429:
            record.outcome = "refused"
            record.flag("V-QUOTA")
        elif answer.status in (404, 410) and record.operation == "ANN.RECHERCHE":
            record.outcome = "refused"  # nobody's fault: the resource is not there
        else:
            record.outcome = "invalid"
            record.flag("V-PARAMETRE" if answer.status == 400 else "V-REQUETE")

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        """An OperationOutcome, marked so that nobody takes it for the Annuaire's."""
        code = "transient" if refusal.status >= 500 else "too-long" if refusal.status == 413 else "invalid"
        issue = {"severity": "error", "code": code, "diagnostics": refusal.text}
        headers = [
            (b"content-type", b"application/fhir+json;charset=UTF-8"),
            (b"x-socle-fault", refusal.flag.encode("ascii")),
        ]
        if refusal.status == 503:
            headers.append((b"retry-after", b"5"))
        return Answer(refusal.status, headers, orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]}))


def is_search(method: str, path: str) -> bool:
    """``GET [base]/Type``, ``GET [base]/Type/id``, ``GET [base]/_page``, ``POST [base]/Type/_search``."""
    base, _, rest = path.partition(f"{BASE_PATH}/")
    if base or not rest:
        return False
    kind, *more = rest.split("/")
    if method == "POST":
        return kind in RESOURCES and more == ["_search"]
    if method not in _READS:
        return False
    return rest == "_page" or (kind in RESOURCES and len(more) <= 1)


def _issue_code(body: bytes) -> str | None:
    """The code of the first issue of an OperationOutcome; None for any other body."""
    try:
        code = orjson.loads(body)["issue"][0]["code"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None
