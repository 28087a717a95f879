"""The faults of INSi by code (reference: insi §6.3). A text marked *assumed* in the ledger was never seen in an answer."""
from __future__ import annotations

from mocks.insi.wire import FaultText

_LATER = (
    "Le service est temporairement inaccessible. Veuillez renouveler votre demande ultérieurement. Si le problème persiste, "
    "contactez l'éditeur du progiciel ou votre responsable informatique."
)
_NOT_ALLOWED = (
    "L'accès par ce progiciel au service n'est pas autorisé. Contactez l'éditeur du progiciel ou votre responsable informatique."
)
_BAD_REQUEST = "Une donnée de la demande est absente ou mal formée."


def _mandatory(field: str) -> str:
    return f"Le champ {field} est obligatoire"


def _format(field: str) -> str:
    return f"Le format du champ {field} est incorrect"


def _field(code: str, text: str) -> FaultText:
    return FaultText("Sender", _BAD_REQUEST, "siram_10", code, "erreur", text)


_ROWS = (
    _field("insi_19", _mandatory("nom de naissance")),
    _field("insi_20", _format("nom de naissance")),
    _field("insi_21", _mandatory("prénom")),
    _field("insi_22", _format("prénom")),
    _field("insi_23", _mandatory("sexe")),
    _field("insi_24", _format("sexe")),
    _field("insi_25", _mandatory("date de naissance")),
    _field("insi_26", _format("date de naissance")),
    _field("insi_27", _format("lieu de naissance")),
    FaultText(
        "Receiver", _LATER, "siram_40", "insi_102", "fatal",
        "L'appel au service de recherche avec les traits d'identité renvoie une erreur technique.",
    ),
    FaultText("Receiver", _LATER, "siram_40", "insi_111", "fatale", "Indisponibilité des téléservices"),
    FaultText("Sender", _NOT_ALLOWED, "siram_100", "desir_550", "erreur", "Numéro d'autorisation du logiciel inconnu."),
    FaultText(
        "Sender", _NOT_ALLOWED, "siram_100", "desir_560", "erreur",
        "Vous ne disposez pas des droits suffisants pour accéder à ce service",
    ),
    FaultText("Sender", _LATER, "siram_40", "desir_1020", "fatale", "Le service appelé est temporairement indisponible"),
)  # fmt: skip

FAULTS: dict[str, FaultText] = {str(row.code): row for row in _ROWS}

_NO_CODE = "(simulateur INSi : aucun code officiel n'est connu pour ce cas)"



class Faulted(Exception):
    """The request gets this fault and nothing else."""

    def __init__(self, text: FaultText) -> None:
        super().__init__(text.code or text.subcode or text.role)
        self.text = text


NOT_SOAP = FaultText("Sender", f"La requête n'est pas une enveloppe SOAP 1.2 lisible {_NO_CODE}.")
BAD_CONTEXT = FaultText("Sender", f"ContexteLPS ou ContexteBAM absent ou incomplet {_NO_CODE}.", "siram_10")
UNKNOWN_OPERATION = FaultText("Sender", f"Opération non reconnue {_NO_CODE}.")
UNKNOWN_INJECTED = FaultText("Receiver", "Panne armée avec un code de faute que le simulateur INSi ne connaît pas.")


def bad_request(why: str) -> FaultText:
    """A context or a body outside its schema."""
    return FaultText("Sender", f"{why} {_NO_CODE}.", "siram_10")


def not_allowed(why: str) -> FaultText:
    """An assertion that is refused; ``why`` is ours, for whoever repairs it."""
    return FaultText("Sender", f"{_NOT_ALLOWED} {why} {_NO_CODE}.", "siram_100")


BAD_BODY = bad_request("RECSANSVITALE a un élément inconnu, répété ou mal placé")
