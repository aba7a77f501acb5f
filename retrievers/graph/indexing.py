"""Bringing a library's graph index up to date: for libraries of earlier versions, and after an import of triples.

Passages that are added by the engine bring their entries with them, so there is nothing to do for them here. The work
is done in steps. Each is a transaction of its own, so what is interrupted goes on where it stopped.
"""

from __future__ import annotations

from threading import Lock

from rag.core.process.progress import Report
from rag.library.base import IMPORTED, Library
from retrievers.graph.entries import RuleEntryWriter
from retrievers.graph.store import stored_extractions

_STEP = 1000


class GraphIndexer:
    """Makes the entries that a library lacks; threads and processes may do so at once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._writer = RuleEntryWriter()
        self._lock = Lock()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing; costs the same at any size."""
        return self._library.graph_tables().is_complete(self._writer.version)

    def update(self, report: Report | None = None) -> None:
        """Index what is missing.

        Args:
            report: is told how many of how many passages are done.

        Raises:
            StorageError: the disk is full or read-only, or another process is writing.
        """
        if self.is_complete:
            return
        with self._lock:  # a second thread would read the same passages
            tables, version = self._library.graph_tables(), self._writer.version
            missing = tables.missing(version)
            for first in range(0, len(missing), _STEP):
                tables.keep(version, self._entries(missing[first : first + _STEP]))
                if report:
                    report(min(first + _STEP, len(missing)), len(missing))
            tables.complete(version)

    def _entries(self, ids: list[int]) -> dict[int, bytes]:
        rows = self._library.passages(ids)
        imported = stored_extractions(self._library, IMPORTED, rows) if self._library.imported_at else {}
        others = {number: imported[row_id] for number, row_id in enumerate(rows) if row_id in imported}
        return dict(zip(rows, self._writer.write(list(rows.values()), others), strict=True))
