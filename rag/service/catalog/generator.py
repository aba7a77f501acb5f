"""The one generator that all engines of a service share."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from rag.core.errors import UnavailableError
from rag.generation.base import Generator


class SharedGenerator:
    """The one generator of all engines: loaded when it is first needed, and tried again when that failed.

    Args:
        load: loads it.
        wait_s: longest wait for another thread that is loading it; the models of a first start may take minutes.
    """

    def __init__(self, load: Callable[[], Generator], wait_s: float = 20.0) -> None:
        self._load = load
        self._wait_s = wait_s
        self._lock = RLock()
        self._loaded: Generator | None = None

    @property
    def loaded(self) -> Generator | None:
        """The generator if it is loaded; never waits."""
        return self._loaded

    def __call__(self) -> Generator:
        """The generator.

        Raises:
            ModelError: it cannot be loaded.
            UnavailableError: not now.
        """
        if self._loaded is not None:
            return self._loaded
        if not self._lock.acquire(timeout=self._wait_s):
            raise UnavailableError("the model is still being loaded; ask again in a moment")
        try:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded
        finally:
            self._lock.release()

    def close(self) -> None:
        """Stop all that it generates."""
        if self._loaded is not None:
            self._loaded.close()
