"""What of an identity may leave the establishment (reference: insi §12, §17; EXI ID 29)."""
from __future__ import annotations

from connectors.nomenclatures.oids import INS_OIDS, INS_SANDBOX_OIDS
from gateway.identitovigilance.identity import Identity, Ins, Refused, Status


def ins_to_send(identity: Identity, *, production: bool) -> Ins:
    """The INS that a document for the DMP, or a message to a citizen, may carry. Raises Refused when it may carry none.

    A letter between professionals may go without an INS; it then carries no matricule at all: do not call this, send none.
    """
    if identity.status is not Status.QUALIFIEE or identity.ins is None:
        told = f"Identité au statut {identity.status} : le matricule ne sort que qualifié (QUAL)."
        raise Refused("EXI ID 29", told)
    if identity.ins.oid not in (INS_OIDS - INS_SANDBOX_OIDS if production else INS_OIDS):
        raise Refused("EXI ID 29", "INS de test ou de démonstration : elle ne sort pas en production.")
    return identity.ins
