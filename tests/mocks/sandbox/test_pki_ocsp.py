"""OCSP on its listener: what is good, revoked, unknown, somebody else's, unreadable; and who signs the answers."""
from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from mocks.sandbox import ocsp as responder
from mocks.sandbox.authority import Authority, new_authority, new_issuer, new_key, new_responder, now
from mocks.sandbox.lists import Revoked
from mocks.sandbox.ocsp import Responder
from mocks.sandbox.office import Office
from mocks.sandbox.orders import Order
from mocks.sandbox.papers import read_cert
from mocks.sandbox.pki import Subject, make_pki
from mocks.sandbox.profiles import ORGANISATIONS, PERSONS
from mocks.sandbox.publication import Publication
from mocks.sandbox.world import World

SUBJECT = Subject("0B0990008", "10B0990008", "EHPAD LES TILLEULS BLEUS")
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
MALFORMED, UNAUTHORIZED = ocsp.OCSPResponseStatus.MALFORMED_REQUEST, ocsp.OCSPResponseStatus.UNAUTHORIZED
ASKED = {"Content-Type": "application/ocsp-request"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_pki(folder / "sandbox", [SUBJECT], password="x", hosts=["localhost"])
    return folder


@pytest.fixture
def pki(data: Path) -> Path:
    return data / "sandbox" / "pki"


class Where:
    """As much of a world as the listener needs."""

    def __init__(self, data: Path) -> None:
        self._data = data

    path = World.path

    @property
    def data(self) -> Path:
        return self._data


@pytest.fixture
async def http(data: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Publication(Where(data)).app  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://crl") as client:
        yield client


def question(
    cert: x509.Certificate, issuer: x509.Certificate, nonce: bytes | None = None, digest: hashes.HashAlgorithm | None = None
) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, digest or hashes.SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


async def ask(http: httpx.AsyncClient, request: bytes) -> ocsp.OCSPResponse:
    answer = await http.post("/OCSP", content=request, headers=ASKED)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/ocsp-response")
    assert answer.headers["Cache-Control"] == "no-store"
    return ocsp.load_der_ocsp_response(answer.content)


def check_signer(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> None:
    """By a delegate of the very authority that is asked about, made for that and nothing else."""
    [delegate] = answer.certificates
    delegate.verify_directly_issued_by(issuer)
    assert list(delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [x509.OID_OCSP_SIGNING]
    assert delegate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    assert answer.signature_hash_algorithm is not None
    key = delegate.public_key()
    key.verify(  # type: ignore[union-attr,call-arg]
        answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), answer.signature_hash_algorithm  # type: ignore[arg-type]
    )
    assert answer.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(key).digest


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA512()])
async def test_what_was_issued_is_good_and_the_answer_is_a_delegate_s(
    http: httpx.AsyncClient, pki: Path, digest: hashes.HashAlgorithm
) -> None:
    issuer, leaf = read_cert(pki / "issuing.pem"), read_cert(pki / "0B0990008.auth_cli.pem")
    answer = await ask(http, question(leaf, issuer, digest=digest))
    assert (answer.certificate_status, answer.serial_number) == (GOOD, leaf.serial_number)
    assert answer.next_update_utc is None
    check_signer(answer, issuer)


async def test_an_authority_s_own_status_is_its_root_s_to_say(http: httpx.AsyncClient, pki: Path) -> None:
    root, issuing = read_cert(pki / "root.pem"), read_cert(pki / "issuing.pem")
    answer = await ask(http, question(issuing, root))
    assert answer.certificate_status == GOOD
    check_signer(answer, root)


async def test_what_is_revoked_is_so_since_its_time_and_for_its_reason(http: httpx.AsyncClient, pki: Path) -> None:
    answer = await ask(http, question(read_cert(pki / "refused-revoked.pem"), read_cert(pki / "issuing.pem")))
    assert (answer.certificate_status, answer.revocation_reason) == (REVOKED, x509.ReasonFlags.key_compromise)
    assert answer.revocation_time_utc is not None and answer.revocation_time_utc <= now()


async def test_a_revocation_is_told_at_once(http: httpx.AsyncClient, data: Path, pki: Path) -> None:
    office = Office(data / "sandbox")
    row, _ = office.issue(Order("sign", SUBJECT.finess_et, SUBJECT.named("X"), "X"))
    request = question(read_cert(data / "sandbox" / row.files["cert"]), read_cert(pki / "issuing.pem"))
    assert (await ask(http, request)).certificate_status == GOOD
    office.revoke(row.name, "superseded")
    answer = await ask(http, request)
    assert (answer.certificate_status, answer.revocation_reason) == (REVOKED, x509.ReasonFlags.superseded)


async def test_what_our_authority_never_issued_is_unknown(http: httpx.AsyncClient, pki: Path) -> None:
    issuing, key = read_cert(pki / "issuing.pem"), new_key()
    unheard = x509.CertificateBuilder().subject_name(issuing.subject).issuer_name(issuing.subject).public_key(key.public_key())
    unheard = unheard.serial_number(4321).not_valid_before(now()).not_valid_after(issuing.not_valid_after_utc)
    answer = await ask(http, question(unheard.sign(key, hashes.SHA256()), issuing))
    assert (answer.certificate_status, answer.serial_number) == (UNKNOWN, 4321)


async def test_another_authority_s_certificates_are_not_ours_to_judge(http: httpx.AsyncClient, pki: Path) -> None:
    stranger = new_authority(new_key(), new_key(), label="AILLEURS")
    leaf = stranger.mint("auth_cli", SUBJECT.named("X"), new_key()).cert
    assert (await ask(http, question(leaf, stranger.issuing.cert))).response_status == UNAUTHORIZED
    ours = read_cert(pki / "issuing.pem")
    assert (await ask(http, question(leaf, ours))).response_status == UNAUTHORIZED, "our key, not our authority's name"
    same_name = Authority(stranger.root, new_issuer(stranger.root, ORGANISATIONS, new_key()))
    leaf = same_name.mint("auth_cli", SUBJECT.named("X"), new_key()).cert
    assert leaf.issuer == ours.subject
    assert (await ask(http, question(leaf, same_name.issuing.cert))).response_status == UNAUTHORIZED, "its name, not its key"


async def test_a_nonce_comes_back_and_none_is_made_up(http: httpx.AsyncClient, pki: Path) -> None:
    leaf, issuing = read_cert(pki / "server.pem"), read_cert(pki / "issuing.pem")
    for nonce in (b"n" * 16, b"x", b"y" * 128):
        answer = await ask(http, question(leaf, issuing, nonce))
        assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    assert not list((await ask(http, question(leaf, issuing))).extensions)
    for nonce in (b"", b"z" * 129):
        assert (await ask(http, question(leaf, issuing, nonce))).response_status == MALFORMED


async def test_get_takes_the_request_in_its_path(http: httpx.AsyncClient, pki: Path) -> None:
    text = base64.b64encode(question(read_cert(pki / "server.pem"), read_cert(pki / "issuing.pem"))).decode()
    for path in (text, quote(text, safe="")):
        answer = ocsp.load_der_ocsp_response((await http.get(f"/OCSP/{path}")).content)
        assert answer.certificate_status == GOOD
    for path in ("", "%%%", "AAAA", text[:-8]):
        answer = ocsp.load_der_ocsp_response((await http.get(f"/OCSP/{path}")).content)
        assert answer.response_status == MALFORMED


async def test_what_is_no_request_is_malformed(http: httpx.AsyncClient, pki: Path) -> None:
    good = question(read_cert(pki / "server.pem"), read_cert(pki / "issuing.pem"))
    for body in (b"", b"\x30", good[:-1], good + b"\x00", b"\x30" * 5000):
        assert (await ask(http, body)).response_status == MALFORMED
    other = await http.post("/OCSP", content=good, headers={"Content-Type": "application/octet-stream"})
    assert ocsp.load_der_ocsp_response(other.content).response_status == MALFORMED
    assert (await http.put("/OCSP", content=good)).status_code == 405


async def test_several_questions_at_once_are_declined(http: httpx.AsyncClient, pki: Path) -> None:
    one = question(read_cert(pki / "server.pem"), read_cert(pki / "issuing.pem"))[6:]  # the only Request of the list
    assert (await ask(http, sequence(sequence(sequence(one))))).certificate_status == GOOD
    assert (await ask(http, sequence(sequence(sequence(one + one))))).response_status == UNAUTHORIZED


def sequence(content: bytes) -> bytes:
    size = len(content)
    return (bytes((0x30, size)) if size < 128 else bytes((0x30, 0x81, size))) + content


async def test_the_branch_of_persons_answers_once_it_is_there(http: httpx.AsyncClient, data: Path, pki: Path) -> None:
    assert (await http.get(PERSONS.crl_path)).status_code == (await http.get(PERSONS.issuer_path)).status_code == 404
    row, _ = Office(data / "sandbox").issue(Order("ps_auth", "899700990007", SUBJECT.named("899700990007"), "899700990007"))
    issuer = x509.load_der_x509_certificate((await http.get(PERSONS.issuer_path)).content)
    leaf = read_cert(data / "sandbox" / row.files["cert"])
    leaf.verify_directly_issued_by(issuer)
    crl = x509.load_der_x509_crl((await http.get(PERSONS.crl_path)).content)
    assert crl.is_signature_valid(issuer.public_key()) and len(crl) == 0  # type: ignore[arg-type]
    answer = await ask(http, question(leaf, issuer))
    assert answer.certificate_status == GOOD
    check_signer(answer, issuer)


async def test_lists_are_looked_after_even_when_the_disk_was_full_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = asyncio.Event()
    outcomes: Iterator[OSError | None] = iter([OSError(28, "full"), None])

    def freshen(_office: Office) -> bool:
        outcome = next(outcomes, None)
        if outcome is not None:
            raise outcome
        done.set()
        return True

    monkeypatch.setattr(Office, "freshen", freshen)
    monkeypatch.setattr(asyncio, "to_thread", in_line)
    looking = asyncio.create_task(Publication(Where(data)).keep_fresh(every_s=0))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await done.wait()
    looking.cancel()


async def in_line(work: Callable[[], bool]) -> bool:
    return work()


@pytest.fixture(scope="module")
def one() -> Iterator[tuple[Responder, bytes]]:
    authority = new_authority(new_key(), new_key())
    leaf = authority.mint("server", SUBJECT.named("X"), new_key()).cert
    delegate = new_responder(authority.issuing, ORGANISATIONS, new_key())
    statuses: dict[int, Revoked | bool] = {leaf.serial_number: False}
    yield Responder(authority.issuing.cert, delegate, statuses.get), question(leaf, authority.issuing.cert, b"n" * 8)


def test_a_serial_number_is_never_negative(one: tuple[Responder, bytes]) -> None:
    who, request = one
    serial = ocsp.load_der_ocsp_request(request).serial_number
    number = serial.to_bytes(serial.bit_length() // 8 + 1)
    negative = request.replace(number, b"\x80" + number[1:])  # 0xFF before a high bit would be no DER
    assert ocsp.load_der_ocsp_request(negative).serial_number < 0
    told = ocsp.load_der_ocsp_response(responder.answer(negative, [who], now()))
    assert told.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


@given(change=st.tuples(st.integers(0, 200), st.integers(1, 255)), cut=st.integers(0, 200))
def test_a_damaged_request_always_gets_an_answer(one: tuple[Responder, bytes], change: tuple[int, int], cut: int) -> None:
    who, request = one
    damaged = bytearray(request)
    damaged[change[0] % len(damaged)] ^= change[1]
    for body in (bytes(damaged), request[:cut]):
        ocsp.load_der_ocsp_response(responder.answer(body, [who], now()))
