"""Whether a question would be answered now, for ``/readyz``, and the loading of the models at the start."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Literal

from rag.core.errors import ConcordError
from rag.generation.base import Checkable
from rag.service.catalog.base import LibraryCatalog

logger = logging.getLogger("rag.service")
_KEEP_S = 1.0
_TIMEOUT_S = 5.0
_RETRY_S = 5.0


@dataclass(frozen=True)
class Verdict:
    """The state of a service; ``reason`` says what is missing until it is ready."""

    status: Literal["ready", "loading", "unavailable"]
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether a question would be answered now."""
        return self.status == "ready"


class Readiness:
    """Loads the models once, and checks afterwards what they and the libraries depend on.

    A check asks the model server and the database. It runs in its own thread, so that nothing else can keep it
    waiting, one at a time, and its result serves everybody for a second: asking often costs nothing.

    Args:
        catalog: the libraries, and the models over them.
        timeout_s: longest time of one check; a slower one counts as failed.
        retry_s: wait between two attempts to load the models.
    """

    def __init__(self, catalog: LibraryCatalog, *, timeout_s: float = _TIMEOUT_S, retry_s: float = _RETRY_S) -> None:
        self._catalog = catalog
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._is_closed = Event()
        self._loading = Verdict("loading", "the models are being loaded")
        self._is_encoder_loaded = False
        self._last = self._slow = Verdict(
            "unavailable", f"model server or database gave no sign within {timeout_s:g} s"
        )
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._running: Future[Verdict] | None = None
        self._checked_s = 0.0

    def warm_up(self) -> None:
        """Load the models, and keep trying while that fails; returns when they are loaded."""
        while not self._is_closed.is_set():
            try:
                self._catalog.encoder.encode(["ready"])
                self._is_encoder_loaded = True
                self._catalog.generator()
                return
            except ConcordError as error:
                logger.warning("the models cannot be loaded yet: %s", error)
                self._loading = Verdict("loading", str(error))
            except Exception:  # foreign code loads the models; without this thread they would never be tried again
                logger.exception("the models cannot be loaded yet")
                self._loading = Verdict("loading", "the models cannot be loaded; the service's log has the reason")
            self._is_closed.wait(self._retry_s)

    async def check(self) -> Verdict:
        """The state now, or up to a second ago."""
        if not self._is_encoder_loaded or self._catalog.generator.loaded is None:
            return self._loading
        running = self._running
        if running is None or (running.done() and time.monotonic() - self._checked_s > _KEEP_S):
            running = self._running = self._checker.submit(self._look)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(running)), self._timeout_s)
        except TimeoutError:
            return self._slow if self._last.is_ready else self._last

    def close(self) -> None:
        """End the threads."""
        self._is_closed.set()
        self._checker.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> Verdict:
        self._last = self._ask()
        self._checked_s = time.monotonic()
        return self._last

    def _ask(self) -> Verdict:
        try:
            self._catalog.check()
            generator = self._catalog.generator.loaded
            if isinstance(generator, Checkable):
                generator.check()
        except ConcordError as error:
            return Verdict("unavailable", str(error))
        except Exception:  # foreign code does the asking, and whoever waits must get an answer
            logger.exception("the health check failed")
            return Verdict("unavailable", "the health check failed; the service's log has the reason")
        return Verdict("ready")
