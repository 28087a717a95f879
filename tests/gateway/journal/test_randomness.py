"""Salts, names and nonces: no byte is handed out twice."""
from __future__ import annotations

import os
import threading

import pytest

from gateway.journal.randomness import random_bytes


def test_every_byte_is_handed_out_once_in_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []

    def draw(size: int) -> bytes:
        drawn.append(bytes([len(drawn)]) * size)  # a block is one value, repeated: where a byte comes from can be read
        return drawn[-1]

    given: dict[int, list[bytes]] = {}

    def take() -> None:
        mine = given.setdefault(threading.get_ident(), [])
        mine += [random_bytes(16 if n % 3 else 12) for n in range(2000)]

    monkeypatch.setattr(os, "urandom", draw)
    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    taken = [byte for values in given.values() for byte in b"".join(values)]
    assert all(len(set(value)) == 1 for values in given.values() for value in values), "a value spans two blocks"
    assert max(taken.count(number) for number in set(taken)) <= 8192, "bytes of a block were handed out twice"


def test_lengths_are_as_asked() -> None:
    assert [len(random_bytes(size)) for size in (1, 12, 16, 32, 8192, 16)] == [1, 12, 16, 32, 8192, 16]
    assert len({random_bytes(16) for _ in range(5000)}) == 5000
