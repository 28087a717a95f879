"""Bearers of MSSanté mailboxes, and what may be asked again (psc-annuaire §18.5, §21)."""
from __future__ import annotations

#: Where a mailbox may be found: a person's own, a person's in a structure, an establishment's.
BEARERS = ("Practitioner", "PractitionerRole", "Organization")
#: Answers after which the same search may be sent again, a little later.
RETRIED = frozenset({429, 502, 503, 504})
