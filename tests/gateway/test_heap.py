"""The heap of a gateway."""
from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other heaps")

#: Eight threads that hold memory at the same time; then how many heaps glibc's malloc_info tells of.
_THREADS = """
import ctypes, threading
met = threading.Barrier(8)
def work():
    held = [bytearray(2_000) for _ in range(100)]
    met.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def heaps(before: str = "") -> int:
    ran = subprocess.run([sys.executable, "-c", before + _THREADS], capture_output=True, text=True, check=True)
    return ran.stdout.count("<heap ")


def test_threads_share_one_heap() -> None:
    assert heaps() > 1
    assert heaps("from gateway.heap import keep_one_heap\nkeep_one_heap()\n") == 1


def test_a_gateway_that_starts_has_one_heap(tmp_path: Path) -> None:
    """Without a sandbox it starts no further; threads that come later share the heap all the same."""
    start = f"import sys\nfrom gateway.__main__ import main\nsys.argv[1:] = ['--data', {str(tmp_path)!r}]\nassert main() == 2\n"
    assert heaps(start) == 1
