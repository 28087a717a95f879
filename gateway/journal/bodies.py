"""What the journal keeps of a message: nothing, its digest, its headers, or a redacted copy of it (design §5.6).

The level is the operation table's, unless a setting raises or lowers it, for everybody or for one tenant. A copy is made
for reading a mistake later, never for replaying a call: what authenticates anybody is taken out, and what was taken out is
listed. The entry commits to the digest of the bytes on the wire, whatever is kept of them.
"""
from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import orjson

from connectors.nomenclatures.identifiers import matricule_key
from connectors.wire.headers import Headers, first_header
from gateway.journal.record import Body, Record
from gateway.operations import OPERATIONS, BodyPolicy, Service

LEVELS: tuple[BodyPolicy, ...] = ("none", "digest", "headers", "full")
#: No setting goes above these: MSSanté content is never stored, PSC bodies are made of codes, tokens and passwords, and an
#: extraction that was refused may hold the names for which it was.
CEILINGS: dict[Service, BodyPolicy] = {"MSS": "none", "PSC": "headers", "DUI": "digest"}
MAX_BYTES = 1024 * 1024
GONE = "***"

_SECRET_HEADER = re.compile(r"auth|token|secret|key|cookie|session|passw|credential|signature|jwt|dpop", re.IGNORECASE)
_SECRET_NAMES = frozenset(
    {"code", "access_token", "refresh_token", "id_token", "id_token_hint", "token", "client_secret", "client_assertion",
     "assertion", "password", "passwd", "secret", "code_verifier", "state", "nonce", "session_state", "login_hint", "auth_req_id",
     "otp", "pin", "api_key", "apikey", "esante-api-key"}
)  # fmt: skip
_JWT = re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")
_BEARER = re.compile(r"(?i)\b(bearer|basic|dpop)\s+[\w.~+/=-]{8,}")
_SECRET_ELEMENT = re.compile(
    r"<((?:[\w.-]+:)?(?:Password|BinarySecurityToken|Nonce|access_token|id_token|refresh_token))\b([^>]*[^/>])?>.*?</\1\s*>",
    re.DOTALL,
)
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_NUMBER = r"[1-478]\d{4}(?:\d{2}|2[ABab])\d{6}"
_MATRICULE = re.compile(rf"(?<![\d.]){_NUMBER}\d{{2}}(?![\d.])")
_BARE_NUMBER = re.compile(rf"NumIdentifiant[^>]*>\s*({_NUMBER})\s*<")


@dataclass(frozen=True, slots=True)
class Message:
    """One side of a call. ``start``: ``POST /path?query`` of a request, the status of an answer.

    sha256  of the body, when somebody computed it already
    """

    role: str
    start: str = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    sha256: bytes | None = field(default=None, repr=False)

    def header(self, name: str) -> str:
        return first_header(self.headers, name) or ""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Turns messages into what a record keeps of them.

    levels     ``OPERATION`` or ``tenant/OPERATION`` → level; the second wins
    max_bytes  of a kept body; the copy says when it is cut
    known      whether a matricule is of the sandbox's own people; None where people are real (design §7)
    """

    levels: Mapping[str, BodyPolicy] = field(default_factory=dict)
    max_bytes: int = MAX_BYTES
    known: Callable[[str], bool] | None = None

    def level(self, operation: str, tenant: str) -> BodyPolicy:
        asked = self.levels.get(f"{tenant}/{operation}") or self.levels.get(operation) or OPERATIONS[operation].body_policy
        return min(asked, CEILINGS.get(OPERATIONS[operation].service, "full"), key=LEVELS.index)

    def keep(self, record: Record, *messages: Message) -> list[Body]:
        """The bodies of a record; empty at level ``none``."""
        level = self.level(str(record.operation), record.tenant)
        if level == "none":
            return []
        return [self._body(message, level) for message in messages]

    def _body(self, message: Message, level: BodyPolicy) -> Body:
        digest = message.sha256 or hashlib.sha256(message.body).digest()
        kept = None if level == "digest" else redacted(message, self, whole=level == "full")
        return Body(message.role, len(message.body), digest, kept)


def check_levels(levels: Mapping[str, BodyPolicy]) -> None:
    """Raises ValueError, in French, for an operation that is not in the table or a level above its ceiling."""
    for name, level in levels.items():
        operation = OPERATIONS.get(name.rpartition("/")[2])
        if operation is None:
            raise ValueError(f"« {name} » : écrivez une opération connue, ou éditeur/opération")
        ceiling = CEILINGS.get(operation.service, "full")
        if LEVELS.index(level) > LEVELS.index(ceiling):
            raise ValueError(f"« {name} » : {level} est refusé, {ceiling} au plus pour ce service")


def redacted(message: Message, keeper: Keeper, *, whole: bool) -> bytes:
    """The copy: JSON ``{v, start, headers, removed, body}``; ``body`` is null unless ``whole`` and something could be kept.

    ``removed`` names what was taken out, never its value.
    """
    removed: list[str] = []
    start = _target(message.start, removed)
    headers = [[key.decode("latin-1"), _header(key.decode("latin-1"), value, removed)] for key, value in message.headers]
    body = _kept_body(message, keeper, removed) if whole and message.body else None
    return orjson.dumps({"v": 1, "start": start, "headers": headers, "removed": list(dict.fromkeys(removed)), "body": body})


def whole_body(copy: dict[str, Any]) -> bytes | None:
    """The body of a copy (its JSON, read); None when it was not kept, or cut."""
    body = copy["body"]
    if body is None or body["truncated"] is not None:
        return None
    data: str = body["data"]
    return b64decode(data) if body["encoding"] == "base64" else data.encode()


def text_of(copy: bytes) -> bytes:
    """Everything that a copy says, its body decoded: to be searched, not to be read."""
    body = orjson.loads(copy)["body"] or {}
    return copy + (b64decode(body["data"]) if body.get("encoding") == "base64" else b"")


def _kept_body(message: Message, keeper: Keeper, removed: list[str]) -> dict[str, Any] | None:
    raw = _decoded(message)
    if raw is None or b"\0" in raw[:256]:  # UTF-16, or no text: what is in it would not be found
        removed.append("corps : codage que l'on ne sait pas relire")
        return None
    text = raw.decode("latin-1")  # each byte is one character: what is not touched comes back as it was
    if keeper.known is not None and any(not keeper.known(one) for one in _matricules(text)):
        removed.append("corps : matricule hors du jeu de données")
        return None
    clean = _clean_body(text, message.header("content-type").lower(), removed)
    if clean is None:
        return None
    data = clean.encode("latin-1")
    cut = data[: keeper.max_bytes]
    try:
        content = {"encoding": "utf-8", "data": cut.decode("utf-8")}
    except UnicodeDecodeError:
        content = {"encoding": "base64", "data": b64encode(cut).decode("ascii")}
    return content | {"truncated": {"kept": len(cut), "of": len(data)} if len(cut) < len(data) else None}


def _decoded(message: Message) -> bytes | None:
    """Without its gzip or deflate coding; None for another one, or for what does not decode within the bound."""
    coding = message.header("content-encoding").strip().lower() or "identity"
    if coding == "identity":
        return message.body
    if coding not in _WINDOW_BITS:
        return None
    decoder = zlib.decompressobj(_WINDOW_BITS[coding])
    try:
        decoded = decoder.decompress(message.body, 32 * MAX_BYTES)
    except zlib.error:
        return None
    return decoded if decoder.eof else None


def _clean_body(text: str, content_type: str, removed: list[str]) -> str | None:
    if "x-www-form-urlencoded" in content_type:
        return _pairs(text, "champ", removed)
    if "json" in content_type:
        try:
            members = orjson.loads(text.encode("latin-1"))
        except orjson.JSONDecodeError:
            removed.append("corps : JSON illisible")
            return None
        return orjson.dumps(_members(members, removed)).decode("latin-1")
    return _tokens(_SECRET_ELEMENT.sub(lambda found: _gone_element(found, removed), text), removed)


def _gone_element(found: re.Match[str], removed: list[str]) -> str:
    removed.append(f"élément {found[1].rpartition(':')[2]}")
    return f"<{found[1]}{found[2] or ''}>{GONE}</{found[1]}>"


def _members(value: Any, removed: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _gone("membre", key, removed) if _secret(key) else _members(item, removed) for key, item in value.items()}
    if isinstance(value, list):
        return [_members(item, removed) for item in value]
    return _tokens(value, removed) if isinstance(value, str) else value


def _target(start: str, removed: list[str]) -> str:
    path, mark, query = start.partition("?")
    return _tokens(path, removed) + mark + _pairs(query, "paramètre", removed)


def _header(name: str, value: bytes, removed: list[str]) -> str:
    if _SECRET_HEADER.search(name):
        return _gone("en-tête", name.lower(), removed)
    text = value.decode("latin-1")
    address, mark, query = text.partition("?")  # Location and Referer carry codes
    if mark:
        query, hash_mark, fragment = query.partition("#")
        text = address + mark + _pairs(query, "paramètre", removed) + hash_mark + _pairs(fragment, "paramètre", removed)
    elif "#" in text:
        address, mark, fragment = text.partition("#")
        text = address + mark + _pairs(fragment, "paramètre", removed)
    return _tokens(text, removed)


def _pairs(text: str, what: str, removed: list[str]) -> str:
    """A query or a form, its secret values taken out; the names are compared as the service will read them."""
    kept = []
    for pair in text.split("&"):
        name, mark, _ = pair.partition("=")
        secret = mark and _secret(unquote_plus(name))
        kept.append(f"{name}={_gone(what, unquote_plus(name), removed)}" if secret else _tokens(pair, removed))
    return "&".join(kept)


def _secret(name: str) -> bool:
    return name.strip().lower() in _SECRET_NAMES


def _gone(what: str, name: str, removed: list[str]) -> str:
    removed.append(f"{what} {name.strip().lower()}")
    return GONE


def _tokens(text: str, removed: list[str]) -> str:
    """Tokens wherever they stand."""
    for pattern, what in ((_JWT, "jeton JWT"), (_BEARER, "jeton d'autorisation")):
        text, count = pattern.subn(GONE, text)
        if count:
            removed.append(what)
    return text


def _matricules(text: str) -> Iterator[str]:
    """Numbers whose key is right, and INSi's numbers without theirs: 15 characters each."""
    for found in _MATRICULE.finditer(text):
        if _key_of(found[0][:13]) == found[0][13:]:
            yield found[0].upper()
    for found in _BARE_NUMBER.finditer(text):
        key = _key_of(found[1])
        if key is not None:
            yield found[1].upper() + key


def _key_of(number: str) -> str | None:
    try:
        return matricule_key(number.upper())
    except ValueError:
        return None
