"""Stopping a stream from another thread than the one that reads it.

A generator's iterator can be closed only by the thread that runs it, and that thread may be waiting for a token.
``with cancellable(cancellation):`` around the reading lets any other thread call ``cancellation.cancel()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock


class Cancellation:
    """One way to stop whatever streams are read under it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.is_cancelled = False

    def cancel(self) -> None:
        """Stop; from any thread, and more than once if need be."""
        with self._lock:
            self.is_cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called on :meth:`cancel`, at once if that has been."""
        with self._lock:
            if not self.is_cancelled:
                self._callbacks.append(callback)
                return
        callback()


_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


@contextmanager
def cancellable(cancellation: Cancellation) -> Iterator[None]:
    """Streams that this thread reads inside can be stopped through ``cancellation``."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)


def on_cancel(callback: Callable[[], None]) -> None:
    """For generators: have ``callback`` called when the stream that is being read is cancelled."""
    cancellation = _current.get()
    if cancellation is not None:
        cancellation.on_cancel(callback)
