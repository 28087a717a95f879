"""THE OPERATION TABLE (design §4): the only place that says what a call is.

Doors, journal, usage, documentation and load tests read it. A row that changes here changes the house.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Service = Literal["INS", "DMP", "MSS", "PSC", "ANN", "DUI"]
BodyPolicy = Literal["none", "digest", "headers", "full"]
Settle = Literal["none", "ask", "evidence", "person"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a DUI can do.

    deadline_s  how long the gateway waits for the service once the last byte is forwarded
    patience_s  how long the DUI waits with it before it is told that the state is unknown (side effects; design §5.3)
    settle      how a lost answer becomes known: ask the service, wait for evidence (duplicate, receipt), or a person
    proof_code  the service's refusal that proves an earlier call with the same key and content succeeded (design §5.3)
    indicator   the indicator fed when the outcome is ``ok`` (reference: data/grappes/indicateurs.csv)
    """

    id: str
    service: Service
    label: str  # French, shown to vendors
    side_effect: bool = False
    deadline_s: float = 15.0
    patience_s: float | None = None
    settle: Settle = "none"
    proof_code: str | None = None
    indicator: str | None = None
    body_policy: BodyPolicy = "digest"

    def waits(self, deadline_cap_s: float | None, patience_s: float | None) -> tuple[float, float]:
        """Seconds that the DUI waits, then that the gateway waits: never the other way round. ``None`` changes nothing."""
        deadline_s = min(self.deadline_s, deadline_cap_s or self.deadline_s)
        wanted_s = (patience_s or self.patience_s) if self.side_effect else None
        return min(wanted_s or deadline_s, deadline_s), deadline_s


_ROWS = (
    Operation("INS.RECHERCHE_TRAITS", "INS", "Recherche de l'INS par les traits d'identité"),
    Operation("INS.RECHERCHE_VITALE", "INS", "Recherche de l'INS par les données de la carte Vitale"),
    Operation("INS.VERIFICATION", "INS", "Vérification d'un INS et de ses traits"),
    Operation("INS.LOT_DEPOT", "INS", "Dépôt d'un lot d'INS à vérifier", deadline_s=30.0),
    Operation("INS.LOT_RETRAIT", "INS", "Retrait des résultats d'un lot d'INS vérifiés", deadline_s=30.0),
    Operation("INS.DECISION", "INS", "Décision sur une identité", body_policy="none"),
    Operation("INS.INCONNUE", "INS", "Appel INSi non reconnu"),
    Operation("DMP.TD0.2", "DMP", "Test d'existence et d'autorisation du DMP"),
    Operation(
        "DMP.TD2.1", "DMP", "Alimentation du DMP",
        side_effect=True, deadline_s=30.0, patience_s=20.0, settle="ask", proof_code="XDSDuplicateUniqueIdInRegistry",
        indicator="IND-DMP-01",
    ),
    Operation("DMP.TD3.1", "DMP", "Recherche de documents du DMP"),
    Operation("DMP.INCONNUE", "DMP", "Appel DMP non reconnu"),
    Operation(
        "MSS.SOUMISSION", "MSS", "Envoi d'un message MSSanté",
        side_effect=True, deadline_s=60.0, patience_s=45.0, settle="evidence", indicator="IND-MSS-01", body_policy="none",
    ),
    Operation("MSS.SESSION_SMTP", "MSS", "Session SMTP", body_policy="none"),
    Operation("MSS.SESSION_IMAP", "MSS", "Session IMAP", body_policy="none"),
    Operation("MSS.INCONNUE", "MSS", "Échange de messagerie non reconnu", body_policy="none"),
    Operation("PSC.AUTHORIZE", "PSC", "Demande d'authentification Pro Santé Connect", body_policy="none"),
    Operation("PSC.LOGIN", "PSC", "Identification sur la page Pro Santé Connect", body_policy="none"),
    Operation("PSC.TOKEN", "PSC", "Échange du code contre les jetons", body_policy="none"),
    Operation("PSC.USERINFO", "PSC", "Lecture de l'identité du professionnel", body_policy="none"),
    Operation("PSC.DISCOVERY", "PSC", "Lecture de la configuration Pro Santé Connect"),
    Operation("PSC.INCONNUE", "PSC", "Appel Pro Santé Connect non reconnu", body_policy="none"),
    Operation("ANN.RECHERCHE", "ANN", "Recherche dans l'Annuaire Santé"),
    Operation("ANN.INCONNUE", "ANN", "Appel à l'Annuaire non reconnu"),
    Operation("DUI.EXTRACTION", "DUI", "Dépôt d'une extraction du DUI"),
    Operation("DUI.INCONNUE", "DUI", "Dépôt du DUI non reconnu"),
)

OPERATIONS: dict[str, Operation] = {row.id: row for row in _ROWS}

#: The target of each indicator, in percent (reference: programme-indicateurs §5).
TARGETS: dict[str, int] = {"IND-MSS-01": 70, "IND-DMP-01": 70}


def unknown_of(service: Service) -> Operation:
    """The row of calls that a door of this service received and could not recognise."""
    return OPERATIONS[f"{service}.INCONNUE"]
