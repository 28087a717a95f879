"""Codes of the DMP: what each says to a vendor, and whose fault it is (reference dmp §15, data/dmp/error-codes.csv)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["vendor", "service"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """``text`` is French, for a vendor: what happened and what to do. ``side`` says who has something to mend."""

    text: str
    side: Side
    authorisation: bool = False  # about who asks, not about what is asked


_RETRY = "Réessayez plus tard avec les mêmes identifiants ; le DMP reconnaît un document déjà déposé."

MEANINGS: dict[str, Meaning] = {
    "DMPInvalidCertificate": Meaning(
        "Le VIHF n'est pas signé par un certificat de signature de structure valide. Signez avec le cachet, pas avec le "
        "certificat d'authentification.", "vendor", authorisation=True),
    "DMPAccessDeniedByRightsService": Meaning(
        "Le mode d'authentification du VIHF n'ouvre pas cette transaction, ou la structure n'est pas reconnue.",
        "vendor", authorisation=True),
    "DMPClosed": Meaning("Le DMP de la personne est fermé : n'alimentez pas.", "vendor"),
    "XDSUnknownPatientId": Meaning("Aucun DMP pour cet INS. Vérifiez l'INS par un TD0.2 avant d'alimenter.", "vendor"),
    "XDSPatientIdDoesNotMatch": Meaning("Un même lot désigne plusieurs personnes. Envoyez un lot par personne.", "vendor"),
    "XDSDuplicateUniqueIdInRegistry": Meaning(
        "Ce document ou ce lot est déjà dans le DMP. Ne le renvoyez pas ; un nouveau document veut un nouvel identifiant.",
        "vendor"),
    "XDSRegistryDuplicateUniqueIdInMessage": Meaning("Le même identifiant apparaît deux fois dans le lot.", "vendor"),
    "XDSMissingDocument": Meaning("Une fiche du lot n'a pas de document joint.", "vendor"),
    "XDSMissingDocumentMetadata": Meaning("Un document joint n'a pas de fiche dans le lot.", "vendor"),
    "XDSRegistryMetadataError": Meaning("Une métadonnée du lot manque ou n'est pas dans son jeu de valeurs.", "vendor"),
    "XDSRepositoryMetadataError": Meaning("Une métadonnée du lot manque ou n'est pas dans son jeu de valeurs.", "vendor"),
    "InvalidDocumentContent": Meaning("Le document joint et sa fiche se contredisent, ou le document est illisible.", "vendor"),
    "UnresolvedReferenceException": Meaning("Une association du lot désigne un objet absent.", "vendor"),
    "XDSUnknownStoredQuery": Meaning("Cette requête n'existe pas au DMP.", "vendor"),
    "XDSStoredQueryMissingParam": Meaning("Un paramètre obligatoire de la requête manque.", "vendor"),
    "XDSRegistryBusy": Meaning(f"Le DMP est saturé. {_RETRY}", "service"),
    "XDSRepositoryBusy": Meaning(f"Le DMP est saturé. {_RETRY}", "service"),
    "XDSRegistryError": Meaning(f"Erreur interne du DMP. {_RETRY}", "service"),
    "XDSRepositoryError": Meaning(f"Erreur interne du DMP. {_RETRY}", "service"),
    "XDSRegistryNotAvailable": Meaning(f"Le registre du DMP est injoignable. {_RETRY}", "service"),
    "XDSRegistryOutOfResources": Meaning(f"Le DMP manque de ressources. {_RETRY}", "service"),
    "XDSRepositoryOutOfResources": Meaning(f"Le DMP manque de ressources. {_RETRY}", "service"),
}  # fmt: skip

#: The one code that says the same thing twice was received: proof that the first one is held (design §5.3).
DUPLICATE = "XDSDuplicateUniqueIdInRegistry"

#: Text by which the server's SOAP stack says that a WS-Addressing header is missing (§2.3).
ADDRESSING_MISSING = "A required header representing a Message Addressing Property is not present"


def meaning(code: str) -> Meaning | None:
    """What a code means; None for a code nobody has published."""
    return MEANINGS.get(code)
