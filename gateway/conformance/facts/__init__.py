"""Which extractor reads which operation; the only door to the facts (design §4)."""
from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.conformance.facts import annuaire, decision, dmp, ins, ins_checks, mss, psc
from gateway.conformance.model import FACTS_VERSION, Eyes, Made, Message

log = logging.getLogger(__name__)

Extractor = Callable[[Message, Eyes, Made], None]

EXTRACTORS: dict[str, Extractor] = {
    "INS.RECHERCHE_TRAITS": ins.search_facts,
    "INS.RECHERCHE_VITALE": ins.card_facts,
    "INS.VERIFICATION": ins_checks.verification_facts,
    "INS.LOT_DEPOT": ins_checks.deposit_facts,
    "INS.LOT_RETRAIT": ins_checks.retrieval_facts,
    "INS.DECISION": decision.decision_facts,
    "DMP.TD0.2": dmp.existence_facts,
    "DMP.TD2.1": dmp.feed_facts,
    "MSS.SOUMISSION": mss.submission_facts,
    "PSC.AUTHORIZE": psc.authorize_facts,
    "PSC.TOKEN": psc.token_facts,
    "ANN.RECHERCHE": annuaire.search_facts,
}


def extract(message: Message, eyes: Eyes) -> Made | None:
    """The facts of a message, or None when its operation has no extractor. Never raises: what cannot be read is partial.

    ``partial`` is true when the message stopped the extractor; what it had read so far is kept.
    """
    extractor = EXTRACTORS.get(message.operation)
    if extractor is None:
        return None
    made = Made({"v": FACTS_VERSION, "partial": False, "author": message.author})
    try:
        extractor(message, eyes, made)
    except Exception as error:  # hostile messages reach here by design; the reason is the name of the error alone
        log.info("facts_partial", extra={"operation": message.operation, "reason": type(error).__name__})
        made.values["partial"] = True
    return made
