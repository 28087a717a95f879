"""Levels of assurance of Pro Santé Connect (psc-annuaire §9)."""
from __future__ import annotations

from connectors.nomenclatures.psc import ACR_LEVELS


def acr_suffices(returned: str | None, requested: str) -> bool:
    """Whether a returned level answers the requested one.

    PSC has returned a stronger level than asked, and none at all: absence is accepted, and so is a level we do not know,
    which its caller should log. Only a known weaker one is refused.
    """
    if returned is None or returned not in ACR_LEVELS or requested not in ACR_LEVELS:
        return True
    return ACR_LEVELS.index(returned) >= ACR_LEVELS.index(requested)
