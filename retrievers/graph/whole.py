"""The whole graph of a library in memory: for exports, audits and other extractors, and as the measure of the index.

It follows the library. When the library's generation changes, removed passages are taken out of the graph and new ones
are added; nothing else changes. Extractions are stored in the library. Memory and time grow with the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.types import Extraction, Extractor
from rag.core.passages import Passage
from rag.library.base import IMPORTED, Library
from retrievers.graph.index import GraphIndex
from retrievers.graph.store import batches, read_passages, stored_extractions

# Bounds memory: an extraction takes ten times as much until the graph packs it.
_READ_AT_ONCE = 2000
T = TypeVar("T")


class WholeGraph:
    """The graph and its index, up to date at every access; threads may share it."""

    def __init__(self, library: Library, extractors: Sequence[Extractor]) -> None:
        self._library = library
        self._extractors = extractors
        self._graph = KnowledgeGraph()
        self._rows: dict[int, Passage] = {}
        self._index: GraphIndex | None = None
        self._ids: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._generation = -1
        self._imported_at = 0
        self._lock = Lock()

    @property
    def graph(self) -> KnowledgeGraph:
        """The knowledge graph of the library as it is now; read it, do not change it."""
        self.current_index()
        return self._graph

    def read(self, task: Callable[[KnowledgeGraph], T]) -> T:
        """What ``task`` reads from the graph as it is now; changes wait meanwhile."""
        self.current_index()
        with self._lock:
            return task(self._graph)

    def extractions(self, passages: Sequence[Passage]) -> list[Extraction]:
        """What the graph holds of these passages."""
        with self._lock:  # another question may be updating the graph
            return [self._graph.extraction(passage.passage_id) for passage in passages]

    def current_index(self) -> GraphIndex:
        """The index of all passages as they are now."""
        with self._lock:
            if self._index is None or self._library.generation != self._generation:
                try:
                    self._index = self._follow()
                except BaseException:
                    self._forget()  # the update may be half done
                    raise
            return self._index

    def _follow(self) -> GraphIndex:
        ids, self._generation = self._library.live_ids()
        if self._imported_at != self._library.imported_at:
            self._forget()
        # Remove first: the new passages of a replaced document have the ids of the old ones.
        removed = np.setdiff1d(self._ids, ids)
        self._graph.remove_passages([self._rows.pop(row_id).passage_id for row_id in removed.tolist()])
        is_kept = np.isin(self._ids, ids)
        new_ids, new_vectors = self._library.vectors_by_id(np.setdiff1d(ids, self._ids))
        new = self._library.passages(new_ids.tolist())
        # A passage that was removed between the two reads is left out; the next generation no longer has it.
        is_present = np.isin(new_ids, list(new))
        self._read(new)
        self._ids = np.concatenate([self._ids[is_kept], new_ids[is_present]])
        passages = [self._rows[row_id] for row_id in self._ids.tolist()]
        if self._index is None:
            return GraphIndex.build(self._graph, passages, new_vectors[is_present], row_ids=self._ids)
        vectors = _join([self._index.vectors[is_kept], new_vectors[is_present]])
        return GraphIndex.build(self._graph, passages, vectors, self._index, is_kept, self._ids)

    def _read(self, new: dict[int, Passage]) -> None:
        """Add the extractions of new passages, including imported ones."""
        for batch in batches(new, _READ_AT_ONCE):
            for extractor in self._extractors:
                self._graph.add(read_passages(self._library, extractor, batch))
            if self._imported_at:
                self._graph.add(stored_extractions(self._library, IMPORTED, batch).values())
        self._rows.update(new)

    def _forget(self) -> None:
        """Start again from nothing, because passages that were already read have new imported triples."""
        self._graph.remove_passages(self._graph.passage_ids)
        self._rows, self._index = {}, None
        self._ids = np.zeros(0, dtype=np.int64)
        self._imported_at = self._library.imported_at


def _join(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The rows of all parts; empty parts may have another width."""
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else parts[0]
