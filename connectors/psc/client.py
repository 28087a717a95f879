"""A relying party of Pro Santé Connect: discovery, code flow, refresh, UserInfo (psc-annuaire §2 to §7)."""
from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from connectors.nomenclatures.psc import ACR_LEVELS, REALM_PATH, WALLET_DISCOVERY
from connectors.psc import messages
from connectors.psc.errors import Unavailable, Unreadable, Untrusted
from connectors.psc.messages import Attempt, Discovery, Identity, RelyingParty, Tokens
from connectors.wire.http import Answer, Client, Headers, UpstreamError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Login:
    """A finished login: its tokens, the checked claims of the id token, and who it is."""

    tokens: Tokens = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    identity: Identity


class PscClient:
    """One relying party towards one realm.

    back_channel  reaches the issuer, with the certificate when the client is registered with one
    base          the issuer's base without path: ``https://host:port``
    now           the time against which tokens are checked: real, or business for a client that follows it
    browser       reaches the wallet, never with a certificate; ``back_channel`` when there is none
    """

    def __init__(
        self, back_channel: Client, base: str, party: RelyingParty, now: Callable[[], datetime],
        *, browser: Client | None = None, timeout_s: float = 15.0,
    ) -> None:  # fmt: skip
        self._http, self._browser = back_channel, browser or back_channel
        self._issuer = base.rstrip("/") + REALM_PATH
        self._party, self._now, self._timeout_s = party, now, timeout_s
        self._discovery: Discovery | None = None
        self._jwks: dict[str, Any] = {}

    async def discover(self) -> Discovery:
        """The realm's addresses, read once. Raises PscError."""
        if self._discovery is None:
            answer = await self._send("GET", self._issuer + WALLET_DISCOVERY)
            self._discovery = messages.read_discovery(_good(answer), self._issuer)
        return self._discovery

    async def begin(self, *, login_hint: str | None = None) -> tuple[str, Attempt]:
        """Where to send the user's browser, and what to keep until it comes back."""
        attempt = messages.new_attempt()
        return messages.authorization_url(await self.discover(), self._party, attempt, login_hint=login_hint), attempt

    async def finish(self, callback_url: str, attempt: Attempt) -> Login:
        """From the address to which the browser came back, to an identity. Raises PscError."""
        discovery = await self.discover()
        code = messages.read_callback(callback_url, self._party, attempt, self._issuer)
        tokens = await self._tokens(messages.exchange_form(self._party, code, attempt.verifier))
        claims = await self._checked(tokens, attempt.nonce)
        answer = await self._send("GET", discovery.userinfo, [(b"authorization", b"Bearer " + tokens.access.encode("ascii"))])
        return Login(tokens, claims, messages.read_userinfo(_good(answer), str(claims.get("sub"))))

    async def login(self, id_nat: str, channel: str = "CARD") -> Login:
        """A whole login of a test professional, playing the browser on the sandbox's page. Raises PscError."""
        url, attempt = await self.begin()
        return await self.finish(await self.answer_page(url, {"other": id_nat, "channel": channel}), attempt)

    async def answer_page(self, url: str, filled: Mapping[str, str]) -> str:
        """Open the login page, fill its form, and return the address to which it sends the browser (not called)."""
        page = await self._send("GET", url, browser=True)
        if 300 <= page.status < 400:
            return _location(page)
        _good(page)
        form = messages.read_login_page(page, url)
        headers: Headers = [messages.FORM, (b"cookie", form.cookies.encode("latin-1"))]
        body = urlencode({**form.fields, "action": "connect", **filled}).encode()
        return _location(await self._send("POST", form.action, headers, body, browser=True))

    async def refresh(self, tokens: Tokens) -> Tokens:
        """A new pair; the old refresh token is dead. Raises Refused (invalid_grant) when the session is over."""
        renewed = await self._tokens(messages.refresh_form(self._party, tokens.refresh))
        await self._checked(renewed, None)
        return renewed

    async def _tokens(self, form: dict[str, str]) -> Tokens:
        discovery = await self.discover()
        headers, body = messages.back_channel(self._party, form)
        return messages.read_tokens(_good(await self._send("POST", discovery.token, headers, body)))

    async def _checked(self, tokens: Tokens, nonce: str | None) -> dict[str, Any]:
        """The id token's claims; the keys are read again once when none fits, as after a rotation."""
        now = int(self._now().timestamp())
        if self._jwks:
            try:
                return messages.verify_id_token(tokens, self._jwks, self._party, self._issuer, nonce=nonce, now=now)
            except Untrusted:
                self._jwks = {}
        self._jwks = messages.json_object(_good(await self._send("GET", (await self.discover()).jwks)))
        claims = messages.verify_id_token(tokens, self._jwks, self._party, self._issuer, nonce=nonce, now=now)
        if claims.get("acr") not in (None, *ACR_LEVELS):
            log.warning("psc_unknown_acr")
        return claims

    async def _send(
        self, method: str, url: str, headers: Headers | None = None, body: bytes = b"", *, browser: bool = False
    ) -> Answer:
        client = self._browser if browser else self._http
        try:
            answer = await client.send(method, url, headers=headers, body=body, timeout_s=self._timeout_s)
        except UpstreamError as error:
            raise Unavailable(error.reason) from error
        if answer.status >= 500:
            raise Unavailable(f"HTTP {answer.status}")
        return answer


def _good(answer: Answer) -> bytes:
    if answer.status != 200:
        raise messages.refusal(answer)
    return answer.body


def _location(answer: Answer) -> str:
    location = answer.header("location")
    if not 300 <= answer.status < 400 or location is None:
        if answer.status >= 400:
            raise messages.refusal(answer)
        raise Unreadable("the login page did not send the browser back")
    return location
