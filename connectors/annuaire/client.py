"""A client of the Annuaire Santé FHIR API: exact searches of a professional and of a mailbox (psc-annuaire §17 to §21)."""
from __future__ import annotations

import asyncio

from connectors.annuaire import messages
from connectors.annuaire.codes import BEARERS, RETRIED
from connectors.annuaire.errors import AnnuaireError, NotAuthorised, Rejected, Unavailable
from connectors.annuaire.messages import Bearer, Professional, Resource
from connectors.wire.http import Answer, Client, UpstreamError

BASE_PATH = "/fhir/v2"
_MAX_PAGES = 200


class AnnuaireClient:
    """One API key. ``base`` has no path: ``https://host:port``.

    retries    how many times a search refused for quota or by a passing failure is sent again
    backoff_s  the first wait, doubled each time
    """

    def __init__(
        self, transport: Client, base: str, key: str, *, timeout_s: float = 30.0, retries: int = 3, backoff_s: float = 0.5
    ) -> None:
        self._http, self._base = transport, base.rstrip("/") + BASE_PATH
        self._headers = [(b"ESANTE-API-KEY", key.encode("ascii")), (b"accept", b"application/fhir+json")]
        self._timeout_s, self._retries, self._backoff_s = timeout_s, retries, backoff_s

    async def professional(self, rpps: str) -> Professional | None:
        """The person with this RPPS and all his mailboxes; None when the directory has nobody. Raises AnnuaireError."""
        return messages.read_professional(await self.search(messages.by_rpps(self._base, rpps)), rpps)

    async def mailbox(self, address: str) -> list[Bearer]:
        """Who holds exactly this MSSanté address: persons, roles, establishments. Raises AnnuaireError."""
        found: list[Bearer] = []
        for kind in BEARERS:
            found += messages.read_bearers(await self.search(messages.by_mailbox(self._base, kind, address)), address)
        return found

    async def search(self, url: str) -> list[Resource]:
        """Every page of a search. A next page outside the base is refused: the key must not leave. Raises AnnuaireError."""
        found: list[Resource] = []
        following: str | None = url
        for _ in range(_MAX_PAGES):
            if following is None:
                return found
            if not following.startswith(f"{self._base}/"):
                raise Rejected("next page outside the API", http_status=None)
            resources, following = messages.read_bundle(await self._get(following))
            found += resources
        raise Rejected("too many pages", http_status=None)

    async def _get(self, url: str) -> bytes:
        wait_s = self._backoff_s
        for _ in range(self._retries):
            try:
                answer = await self._send(url)
            except Unavailable:
                pass
            else:
                if answer.status not in RETRIED:
                    return _body(answer)
            await asyncio.sleep(wait_s)
            wait_s *= 2
        return _body(await self._send(url))

    async def _send(self, url: str) -> Answer:
        try:
            return await self._http.send("GET", url, headers=self._headers, timeout_s=self._timeout_s)
        except UpstreamError as error:
            raise Unavailable(error.reason) from error


def _body(answer: Answer) -> bytes:
    if answer.status != 200:
        raise _refusal(answer)
    return answer.body


def _refusal(answer: Answer) -> AnnuaireError:
    words = messages.diagnostics(answer.body)
    if answer.status in (401, 403) and not words:
        return NotAuthorised("unknown API key", http_status=answer.status)
    if answer.status in RETRIED or answer.status >= 500:
        return Unavailable(words or f"HTTP {answer.status}", http_status=answer.status)
    return Rejected(words, http_status=answer.status)
