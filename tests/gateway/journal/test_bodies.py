"""What is kept of a message: its level, what is taken out of it, what is said of what is not there (design §5.6)."""
from __future__ import annotations

import gzip
import hashlib
from base64 import b64decode, urlsafe_b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.exceptions import InvalidTag

from gateway.journal.bodies import LEVELS, MAX_BYTES, Keeper, Message, check_levels, redacted
from gateway.journal.record import Record
from gateway.operations import OPERATIONS
from tests.gateway.journal.world import open_journal, rows

XML, FORM, JSON = (b"content-type", b"application/soap+xml"), (b"content-type", b"application/x-www-form-urlencoded"), (
    b"content-type", b"application/json",
)  # fmt: skip
JWT = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"RS256"}', b'{"sub":"899700"}', b"signature"))
SECRET = "s3cret-de-test"
PERSON, STRANGER = "275126322074974", "279035121518989"


def request(body: bytes, *headers: tuple[bytes, bytes], start: str = "POST /lps") -> Message:
    return Message("request", start, list(headers), body)


def copy_of(message: Message, keeper: Keeper | None = None) -> dict[str, Any]:
    copy: dict[str, Any] = orjson.loads(redacted(message, keeper or Keeper(), whole=True))
    return copy


def body_of(copy: dict[str, Any]) -> bytes:
    body = copy["body"]
    return b64decode(body["data"]) if body["encoding"] == "base64" else body["data"].encode()


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_keeps_what_it_says(level: Any) -> None:
    bodies = Keeper({"INS.RECHERCHE_TRAITS": level}).keep(Record("INS.RECHERCHE_TRAITS"), request(b"<x>corps</x>", XML))
    assert len(bodies) == (0 if level == "none" else 1)
    if bodies:
        [body] = bodies
        assert (body.sha256, body.size_bytes) == (hashlib.sha256(b"<x>corps</x>").digest(), 12)
        assert (body.kept is None) == (level == "digest")
        assert (b"corps" in (body.kept or b"")) == (level == "full")


def test_a_tenant_may_have_its_own_level() -> None:
    keeper = Keeper({"DMP.TD2.1": "headers", "editeur-a/DMP.TD2.1": "full"})
    assert [keeper.level("DMP.TD2.1", tenant) for tenant in ("editeur-a", "editeur-b")] == ["full", "headers"]
    assert keeper.level("DMP.TD0.2", "editeur-a") == OPERATIONS["DMP.TD0.2"].body_policy == "digest"


@pytest.mark.parametrize(
    ("name", "level", "accepted"),
    [
        ("INS.RECHERCHE_TRAITS", "full", True), ("editeur-a/DMP.TD2.1", "headers", True), ("PSC.TOKEN", "headers", True),
        ("MSS.SOUMISSION", "digest", False), ("PSC.TOKEN", "full", False), ("editeur-a/MSS.SOUMISSION", "full", False),
        ("INS.AUTRE", "full", False),
    ],
)  # fmt: skip
def test_no_setting_goes_above_a_ceiling(name: str, level: Any, accepted: bool) -> None:
    if accepted:
        check_levels({name: level})
        return
    with pytest.raises(ValueError, match=f"« {name} »"):
        check_levels({name: level})
    if name.rpartition("/")[2] in OPERATIONS:  # and were it set all the same, nothing more would be kept
        operation = name.rpartition("/")[2]
        assert LEVELS.index(Keeper({name: level}).level(operation, "editeur-a")) <= LEVELS.index("headers")


@pytest.mark.parametrize(
    "name", ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "ESANTE-API-KEY", "X-Auth-Token", "DPoP"]
)
def test_credentials_in_headers_are_taken_out_and_listed(name: str) -> None:
    copy = copy_of(request(b"", (name.encode(), SECRET.encode()), (b"User-Agent", b"dui/1")))
    assert copy["headers"] == [[name, "***"], ["User-Agent", "dui/1"]]
    assert copy["removed"] == [f"en-tête {name.lower()}"]


@pytest.mark.parametrize(
    ("message", "removed"),
    [
        (request(b"", start=f"GET /callback?state=x&code={SECRET}&a=1"), ["paramètre state", "paramètre code"]),
        (request(b"", start=f"GET /callback?c%6Fde={SECRET}"), ["paramètre code"]),
        (request(b"", (b"Location", f"https://dui.test/cb?code={SECRET}#x".encode())), ["paramètre code"]),
        (request(b"", (b"Location", f"https://dui.test/cb#access_token={SECRET}".encode())), ["paramètre access_token"]),
        (request(b"", (b"Location", f"https://dui.test/cb?a=1#access_token={SECRET}".encode())), ["paramètre access_token"]),
        (request(f"grant_type=x&client_secret={SECRET}&code={SECRET}".encode(), FORM), ["champ client_secret", "champ code"]),
        (request(f"cl%69ent_secret={SECRET}".encode(), FORM), ["champ client_secret"]),
        (request(orjson.dumps({"a": [{"Access_Token": SECRET}]}), JSON), ["membre access_token"]),
        (request(f'{{"access\\u005ftoken": {{"x": "{SECRET}"}}}}'.encode(), JSON), ["membre access_token"]),
        (request(f'<w:Password Type="t">{SECRET}</w:Password>'.encode(), XML), ["élément Password"]),
        (request(f"<BinarySecurityToken>\n{SECRET}\n</BinarySecurityToken>".encode(), XML), ["élément BinarySecurityToken"]),
        (request(f"<x>{JWT}</x>".encode(), XML), ["jeton JWT"]),
        (request(f"<x>Bearer {SECRET}-{SECRET}</x>".encode(), XML), ["jeton d'autorisation"]),
        (request(gzip.compress(f"password={SECRET}".encode()), FORM, (b"content-encoding", b"gzip")), ["champ password"]),
        (request(SECRET.encode(), XML, (b"content-encoding", b"br")), ["corps : codage que l'on ne sait pas relire"]),
        (request(f"<x>{SECRET}</x>".encode("utf-16"), XML), ["corps : codage que l'on ne sait pas relire"]),
        (request(f'{{"code": "{SECRET}"'.encode(), JSON), ["corps : JSON illisible"]),
    ],
)
def test_secrets_are_taken_out_wherever_they_stand(message: Message, removed: list[str]) -> None:
    copy = copy_of(message)
    assert copy["removed"] == removed
    everything = orjson.dumps(copy) + (body_of(copy) if copy["body"] else b"")
    assert SECRET.encode() not in everything
    assert SECRET.encode("utf-16")[2:] not in everything
    assert JWT.encode() not in everything


def test_what_is_no_secret_comes_back_byte_for_byte() -> None:
    for raw in ('<c code="80788-3"/><Signature>abc</Signature>é'.encode(), b"\xff\xfe\x01 binaire"):
        assert body_of(copy_of(request(raw, XML))) == raw
    assert copy_of(request(b"a=1&b=%20x", FORM))["body"]["data"] == "a=1&b=%20x"
    assert copy_of(request(b"x", XML))["removed"] == []


@pytest.mark.parametrize("level", ["digest", "headers", "full"])
def test_the_digest_is_of_the_bytes_on_the_wire(level: Any) -> None:
    """Whatever is read in them: coded, or with a secret that the copy lacks."""
    wire = gzip.compress(f"password={SECRET}".encode())
    [body] = Keeper({"INS.RECHERCHE_TRAITS": level}).keep(
        Record("INS.RECHERCHE_TRAITS"), request(wire, FORM, (b"content-encoding", b"gzip"))
    )
    assert (body.sha256, body.size_bytes) == (hashlib.sha256(wire).digest(), len(wire))


@pytest.mark.parametrize(("size", "kept"), [(32 * MAX_BYTES, True), (32 * MAX_BYTES + 1, False)])
def test_a_coded_body_is_not_read_beyond_a_bound(size: int, kept: bool) -> None:
    bomb = request(gzip.compress(b"x" * size, 1), XML, (b"content-encoding", b"gzip"))
    copy = copy_of(bomb, Keeper(max_bytes=10))
    assert (copy["body"] is not None, copy["removed"] == []) == (kept, kept)


def test_a_cut_copy_says_so() -> None:
    keeper = Keeper(max_bytes=10)
    copy = copy_of(request(b"0123456789abcdef", XML), keeper)
    assert (copy["body"]["data"], copy["body"]["truncated"]) == ("0123456789", {"kept": 10, "of": 16})
    assert copy_of(request(b"0123456789", XML), keeper)["body"]["truncated"] is None


@pytest.mark.parametrize("written", ["{}", "<NumIdentifiant>{:.13}</NumIdentifiant><Cle>xx</Cle>", '{{"ins": "{}"}}'])
def test_a_message_about_somebody_real_is_not_kept_in_a_sandbox(written: str) -> None:
    sandbox, real = Keeper(known={PERSON}.__contains__), Keeper()
    known, stranger = (request(written.format(number).encode(), XML) for number in (PERSON, STRANGER))
    assert body_of(copy_of(known, sandbox)) == known.body
    assert body_of(copy_of(stranger, real)) == stranger.body
    refused = copy_of(stranger, sandbox)
    assert (refused["body"], refused["removed"]) == (None, ["corps : matricule hors du jeu de données"])


def test_a_number_that_is_no_matricule_does_not_stop_a_copy() -> None:
    wrong_key = PERSON[:13] + f"{(int(PERSON[13:]) % 97) + 1:02d}"
    message = request(f"<x>{wrong_key} 1.2.250.1.213.1.4.8</x>".encode(), XML)
    assert copy_of(message, Keeper(known=set().__contains__))["body"] is not None


async def test_a_kept_message_is_sealed_by_a_key_of_its_own(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    keeper = Keeper({"INS.RECHERCHE_TRAITS": "full"})
    records = [Record("INS.RECHERCHE_TRAITS", outcome="ok") for _ in range(2)]
    for record in records:
        record.bodies = keeper.keep(record, request(b"<x>un contenu lisible</x>", XML))
        assert record.bodies[0].kept is not None
    [first, _] = await journal.write(*records)
    assert b"lisible" not in first.body and b"kept" not in first.body
    one, two = rows(tmp_path, "SELECT sealed_key, sealed FROM blobs ORDER BY pos")
    name = f"{records[0].id}|0"
    assert b"un contenu lisible" in journal.vault.unseal_alone(name, *one)
    for wrong in ((name, two[0], one[1]), (name, one[0], two[1]), (f"{records[1].id}|0", *one)):
        with pytest.raises(InvalidTag):
            journal.vault.unseal_alone(*wrong)
    [(salt,)] = rows(tmp_path, "SELECT salt FROM bodies WHERE pos = (SELECT min(pos) FROM bodies)")
    said = orjson.loads(first.body)["bodies"][0]
    assert said["commitment"] == hashlib.sha256(salt + hashlib.sha256(b"<x>un contenu lisible</x>").digest()).hexdigest()
    await journal.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"un contenu lisible" in path.read_bytes()]


async def test_an_intent_holds_no_message(tmp_path: Path) -> None:
    from gateway.journal.drafts import intended_draft
    from tests.gateway.journal.world import HandClock, feed

    record = feed()
    record.bodies = Keeper({"DMP.TD2.1": "full"}).keep(record, request(b"contenu", XML))
    draft = intended_draft(record, "bac_a_sable", HandClock())
    assert [body["kept"] for body in draft.content["bodies"]] == [None]
    assert replace(record).bodies[0].kept is not None
