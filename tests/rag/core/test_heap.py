"""Free memory goes back to the system."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Thread

import pytest

from rag.core.process.heap import _find_trim, trim_heap

_BLOCKS, _BYTES = 4000, 50_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_a_thread_freed_is_given_back() -> None:
    if _find_trim() is None:
        pytest.skip("the C library is not glibc")
    kept: list[bytes] = []

    def work() -> None:
        blocks = [b"x" * _BYTES for _ in range(_BLOCKS)]
        kept.append(blocks[-1])  # at the end of the heap, so that nothing before it is given back by itself

    thread = Thread(target=work)
    thread.start()
    thread.join()
    before = _resident_bytes()
    trim_heap()
    assert before - _resident_bytes() > _BLOCKS * _BYTES / 2


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
