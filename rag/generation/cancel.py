"""Stop a stream from a thread that does not read it.

A generator's iterator can be closed only by the thread that runs it, and that thread may be waiting for a token.
``with cancellable(cancellation):`` around the reading lets any other thread call ``cancellation.cancel()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock


class Cancellation:
    """Stops the streams that are read under it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.is_cancelled = False

    def cancel(self) -> None:
        """Stop; any thread may call it, more than once."""
        with self._lock:
            self.is_cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` on :meth:`cancel`, or at once if that was called already."""
        with self._lock:
            if not self.is_cancelled:
                self._callbacks.append(callback)
                return
        callback()


_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


@contextmanager
def cancellable(cancellation: Cancellation) -> Iterator[None]:
    """``cancellation`` stops the streams that this thread reads inside the block."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)


def on_cancel(callback: Callable[[], None]) -> None:
    """For generators: call ``callback`` when the stream that is being read is cancelled."""
    cancellation = _current.get()
    if cancellation is not None:
        cancellation.on_cancel(callback)
