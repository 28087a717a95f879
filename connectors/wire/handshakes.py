"""Why a TLS handshake failed at one of our listeners, in the codes of docs/errors.md.

The numbers are OpenSSL's verdicts on a client's certificate (X509_V_ERR_*), the words its reasons.
"""
from __future__ import annotations

import ssl

_VERDICTS = {
    2: "V-CERT-AUTORITE", 3: "V-CERT-AUTORITE", 7: "V-CERT-AUTORITE", 18: "V-CERT-AUTORITE", 19: "V-CERT-AUTORITE",
    20: "V-CERT-AUTORITE", 21: "V-CERT-AUTORITE", 24: "V-CERT-AUTORITE",
    9: "V-CERT-FUTUR", 10: "V-CERT-EXPIRE", 23: "V-CERT-REVOQUE", 26: "V-CERT-USAGE",
    66: "V-CERT-FAIBLE", 67: "V-CERT-FAIBLE", 68: "V-CERT-FAIBLE",
    11: "G-LISTE", 12: "G-LISTE",
}  # fmt: skip
_OTHER_VERDICT = "V-CERT-REFUSE"

_REASONS = {
    "peer_did_not_return_a_certificate": "V-CERT-ABSENT",
    "unsupported_protocol": "V-TLS-PROFIL",
    "no_shared_cipher": "V-TLS-PROFIL",
    "no_shared_group": "V-TLS-PROFIL",
    "ee_key_too_small": "V-CERT-FAIBLE",
    # Alerts from the client: it is our certificate that it will not have.
    "tlsv1_alert_unknown_ca": "V-CONFIANCE",
    "sslv3_alert_bad_certificate": "V-CONFIANCE",
    "sslv3_alert_certificate_unknown": "V-CONFIANCE",
    "sslv3_alert_certificate_expired": "V-CONFIANCE",
}


def why_failed(error: BaseException) -> str:
    """A code of docs/errors.md; what has none is said in OpenSSL's words, or by the name of the error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERDICTS.get(error.verify_code, _OTHER_VERDICT)
    if not isinstance(error, ssl.SSLError) or not error.reason:
        return type(error).__name__
    reason = error.reason.lower()
    return _REASONS.get(reason, reason)
