"""Free memory goes back to the system.

glibc keeps what a thread has freed, in a heap of that thread. A batch that grows and shrinks leaves gaps there that no
other thread uses: a service that answers for an hour holds gigabytes of nothing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def trim_heap() -> None:
    """Give free memory of all threads back to the system; does nothing where the C library cannot."""
    trim = _find_trim()
    if trim is not None:
        trim(0)


@cache
def _find_trim() -> Callable[[int], int] | None:
    try:
        function: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # not glibc; Windows has no library without a name
        return None
    return function
