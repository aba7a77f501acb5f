"""The threads that answer questions, and how many of them one client may occupy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Protocol, TypeVar

from rag.service.auth.limits import too_many

T = TypeVar("T")


class Places(Protocol):
    """Counts the questions of each client over several processes."""

    def hold(self, client: str) -> AbstractContextManager[None]:
        """Hold a place while the block runs.

        Raises:
            Problem: 429, there is none.
        """
        ...


class Workers:
    """Runs each question in its own thread: so many in all, and so many for one client.

    A question counts until its thread has ended, whether or not its client still waits. So a question that is
    admitted always finds a free thread. With ``places`` a client's share holds over all processes of the service.
    """

    def __init__(self, in_all: int, per_client: int, places: Places | None = None) -> None:
        self._in_all = in_all
        self._per_client = per_client
        self._places = places
        self._running: Counter[str] = Counter()
        self._lock = Lock()
        self._executor = ThreadPoolExecutor(in_all, thread_name_prefix="question")

    @property
    def num_running(self) -> int:
        """Threads at work."""
        with self._lock:
            return self._running.total()

    def submit(self, client: str, task: Callable[[], T]) -> Future[T]:
        """Run ``task`` in a thread. The thread is free again before the future has its result.

        Raises:
            Problem: 429, every thread is at work, or ``client`` has its share of them.
        """
        self._occupy(client)

        def run() -> T:
            try:
                # A database is asked in this thread: the caller's may be that of all connections.
                with self._places.hold(client) if self._places else nullcontext():
                    return task()
            finally:
                self._release(client)

        try:
            return self._executor.submit(run)
        except RuntimeError:  # the service is closing
            self._release(client)
            raise

    def close(self) -> None:
        """Wait for the questions under way."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _occupy(self, client: str) -> None:
        with self._lock:
            if self._running[client] >= self._per_client or self._running.total() >= self._in_all:
                raise too_many("questions at once", 1)
            self._running[client] += 1

    def _release(self, client: str) -> None:
        with self._lock:
            self._running[client] -= 1
            self._running += Counter()  # forgets clients without a question
