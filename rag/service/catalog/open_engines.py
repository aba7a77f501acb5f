"""The engines that a process has open, the ones that were used last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from rag.engine import Engine

_MAX_OPEN = 128


class OpenEngines:
    """Engines by the place of their library. Threads may share it."""

    def __init__(self) -> None:
        self._engines: OrderedDict[Hashable, tuple[Hashable, Engine]] = OrderedDict()
        self._mutex = Lock()

    def get(self, place: Hashable, identity: Hashable, open_engine: Callable[[], Engine]) -> Engine:
        """The engine over the library at a place.

        It is opened where there is none, or where another library has come to the place. Other libraries are served
        meanwhile: opening one that an earlier version made may take minutes. Two threads may open one at once; the
        first engine stays.
        """
        known = self._find(place, identity)
        if known is not None:
            return known
        opened = open_engine()
        known = self._find(place, identity)
        if known is not None:
            opened.close()
            return known
        with self._mutex:
            self._engines[place] = identity, opened
            self._engines.move_to_end(place)
            while len(self._engines) > _MAX_OPEN:
                self._engines.popitem(last=False)  # not closed: a request may still be using it
        return opened

    def forget(self, place: Hashable) -> None:
        """Drop the engine of a place, if there is one."""
        with self._mutex:
            self._engines.pop(place, None)

    def _find(self, place: Hashable, identity: Hashable) -> Engine | None:
        with self._mutex:
            known = self._engines.get(place)
            if known is None or known[0] != identity:
                return None
            self._engines.move_to_end(place)
            return known[1]
