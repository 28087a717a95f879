"""One request of each INSi operation, and the fictitious person whom they are about (insi §11.1)."""
from __future__ import annotations

from datetime import UTC, datetime

from connectors.insi import codes, contexts, messages

SOFTWARE = messages.Software("SOCLEDUI0001", "DUI EXEMPLE", "2.3.1", "0f6c9b7e-2c53-4e0a-b6f0-3d5a3c1d9a10")
STAMP = messages.Stamp(datetime(2026, 3, 2, tzinfo=UTC), "uuid:1", "2", "3")
TRAITS = messages.Traits("ECETINSI", "PIERRE-ALAIN", "M", "2009-07-14")
ASKED = messages.Individual(
    messages.Ins("1090763220834", "89", "1.2.250.1.213.1.4.8"),
    messages.Person("ECETINSI", ("PIERRE-ALAIN", "MURIEL", "FLORIANT"), "M", "2009-07-14", "63220"),
)
CARD = messages.VitaleCard(
    messages.CardNumber("2770763220829", "10"), messages.CardNumber("2770763220829", "10"), "NESSI", "1977-07-14"
)
HEADER = contexts.Header(SOFTWARE, "1130000018", STAMP)
ACTIONS = {
    "INS.RECHERCHE_TRAITS": codes.ACTION_TRAITS, "INS.RECHERCHE_VITALE": codes.ACTION_VITALE,
    "INS.VERIFICATION": codes.ACTION_VERIFY, "INS.LOT_DEPOT": codes.ACTION_DEPOSIT, "INS.LOT_RETRAIT": codes.ACTION_RETRIEVE,
}  # fmt: skip


def request(operation: str, header: contexts.Header = HEADER, *, individual: messages.Individual = ASKED) -> bytes:
    """A whole message."""
    body = {
        "INS.RECHERCHE_TRAITS": lambda: messages.search_body(TRAITS),
        "INS.RECHERCHE_VITALE": lambda: messages.vitale_body(CARD),
        "INS.VERIFICATION": lambda: messages.verification_body(individual),
        "INS.LOT_DEPOT": lambda: messages.deposit_body([("1", individual), ("2", individual)]),
        "INS.LOT_RETRAIT": lambda: messages.retrieval_body("lot-1"),
    }[operation]()
    coverage = messages.vitale_coverage(CARD) if operation == "INS.RECHERCHE_VITALE" else None
    return header.envelope(ACTIONS[operation], body, coverage)


REQUESTS = {operation: request(operation) for operation in ACTIONS}
