"""What a domain may no longer do about somebody, watched over a window: one deviation each time it does, one conformity when it
had the occasion and did not."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.conformance.model import Call, Finding
from gateway.conformance.rules.base import conforme, non_conforme, non_observe
from gateway.conformance.rules.ins_steps import Domain

Key = tuple[Domain, str]


@dataclass(frozen=True, slots=True)
class Words:
    """In French. ``kept`` and ``idle`` follow the reason: nothing was done among what passed, or nothing passed at all."""

    expected: str
    found: str
    kept: str
    idle: str
    never: str


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """Somebody, by the digests that name him; ``passed``: how much the domain had done when the watch began."""

    call: Call
    why: str
    domain: Domain
    names: frozenset[str]
    passed: int


class Watch:
    """Nobody is watched at first. Names are digests; a domain's silence proves nothing."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._open: dict[Key, _Subject] = {}
        self._last: dict[Domain, tuple[int, Call]] = {}
        self._deviant: set[_Subject] = set()
        self._opened = False

    def open(self, domain: Domain, names: Iterable[str], call: Call, why: str) -> None:
        """From this call on. A second reason changes nothing."""
        new = frozenset(name for name in names if (domain, name) not in self._open)
        if new:
            self._opened = True
            passed = self._last[domain][0] if domain in self._last else 0
            self._open.update(dict.fromkeys(((domain, name) for name in new), _Subject(call, why, domain, new, passed)))

    def close(self, domain: Domain, names: Iterable[str]) -> Iterator[Finding]:
        """The reason is gone."""
        for subject in self._meant(domain, names):
            for name in subject.names:
                del self._open[domain, name]
            yield from self._concluded(subject)

    def see(self, domain: Domain, names: Iterable[str], place: str, call: Call, *, counts: bool) -> Iterator[Finding]:
        """A call about these. ``counts``: it is of the kind that nobody who is watched may be the object of."""
        for subject in self._meant(domain, names):
            self._deviant.add(subject)
            yield non_conforme(place, self._words.expected, f"{self._words.found} après : {subject.why}", subject.call, call)
        if counts:
            number, _ = self._last.get(domain, (0, call))
            self._last[domain] = number + 1, call

    def end(self) -> Iterator[Finding]:
        if not self._opened:
            yield non_observe(self._words.never)
        for subject in dict.fromkeys(self._open.values()):
            yield from self._concluded(subject)

    def _meant(self, domain: Domain, names: Iterable[str]) -> list[_Subject]:
        return list(dict.fromkeys(self._open[domain, name] for name in names if (domain, name) in self._open))

    def _concluded(self, subject: _Subject) -> Iterator[Finding]:
        if subject in self._deviant:
            return
        number, last = self._last.get(subject.domain, (0, subject.call))
        if number > subject.passed:
            yield conforme("journal", f"{subject.why} ; {self._words.kept} ({number - subject.passed})", subject.call, last)
        else:
            yield non_observe(f"{subject.why} ; {self._words.idle}")
