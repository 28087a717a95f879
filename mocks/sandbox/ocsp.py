"""OCSP answers (RFC 6960), signed by delegates of the sandbox's authorities; bytes in, bytes out.

One question a request, as the light profile has it (RFC 5019 §2.1.1). No answer says until when it holds: there is always a
newer one, so that a revocation is seen at once.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from mocks.sandbox.authority import Pair
from mocks.sandbox.lists import Revoked

MAX_REQUEST = 4096
_NONCES = range(1, 129)  # bytes (RFC 9654 §2.1)


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers for what ``issuer`` has issued.

    delegate  its certificate for OCSP, with the key
    status    of a serial number: None when it was never issued, False when it is good, else its revocation
    """

    issuer: x509.Certificate
    delegate: Pair
    status: Callable[[int], Revoked | bool | None]


def answer(request: bytes, responders: Iterable[Responder], at: datetime) -> bytes:
    """The DER answer to a DER request, whatever it holds: what cannot be read is malformedRequest, other authorities' are
    unauthorized."""
    try:
        asked = ocsp.load_der_ocsp_request(request) if len(request) <= MAX_REQUEST else None
        nonce = None if asked is None else _nonce(asked)
    except NotImplementedError:  # several questions
        return _refused(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    except ValueError:
        return _refused(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    if asked is None or asked.serial_number < 0 or (nonce is not None and len(nonce.nonce) not in _NONCES):
        return _refused(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    try:
        responder = next((one for one in responders if _concerns(asked, one.issuer)), None)
    except UnsupportedAlgorithm:  # of the digests of the question
        responder = None
    if responder is None:
        return _refused(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    return _signed(asked, responder, nonce, at)


def _signed(asked: ocsp.OCSPRequest, responder: Responder, nonce: x509.OCSPNonce | None, at: datetime) -> bytes:
    found = responder.status(asked.serial_number)
    revoked = found if isinstance(found, Revoked) else None
    status = ocsp.OCSPCertStatus.UNKNOWN if found is None else ocsp.OCSPCertStatus.GOOD
    delegate = responder.delegate
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number, asked.hash_algorithm,
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else status, this_update=at, next_update=None,
        revocation_time=revoked.at if revoked else None, revocation_reason=revoked.reason if revoked else None,
    )  # fmt: skip
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, delegate.cert).certificates([delegate.cert])
    if nonce is not None:
        builder = builder.add_extension(nonce, critical=False)
    return builder.sign(delegate.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _nonce(asked: ocsp.OCSPRequest) -> x509.OCSPNonce | None:
    try:
        return asked.extensions.get_extension_for_class(x509.OCSPNonce).value
    except x509.ExtensionNotFound:
        return None


def _concerns(asked: ocsp.OCSPRequest, issuer: x509.Certificate) -> bool:
    """Name and key both (RFC 6960 §4.1.1)."""
    name = issuer.subject.public_bytes()
    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    digest = asked.hash_algorithm.name
    return (asked.issuer_name_hash, asked.issuer_key_hash) == tuple(
        hashlib.new(digest, one, usedforsecurity=False).digest() for one in (name, key)
    )


def _refused(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
