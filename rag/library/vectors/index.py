"""The dense index of a library whose vectors are in a vector store elsewhere.

The library is the truth: the store holds a copy of its vectors and names candidates, and the library's own vectors give
their cosines. What the store does not have yet is compared here. So a store that lags behind costs time, not answers.
The engine brings it up to date after every ``add`` and ``remove``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Lock

import numpy as np

from rag.core.encoding import Encoder, Vectors
from rag.core.errors import LibraryError
from rag.library.base import Library, RowIds
from rag.library.vectors.record import Record, read_record, write_record
from rag.library.vectors.store import MakeStore, PassageStore

_BATCH = 256
# The whole record is written after so many passages. What is interrupted before is written again.
_RECORDED = 10_000
# Vectors that are compared here while the store lacks them.
_MAX_PENDING = 20_000


class VectorStoreIndex:
    """Nearest passages by a LangChain vector store; the contract of :class:`rag.library.base.DenseIndex`."""

    def __init__(self, library: Library, make: MakeStore, encoder: Encoder) -> None:
        self._library = library
        self._store = PassageStore(make, encoder, library.identity)
        self._lock = Lock()
        self._generation = -1
        self._record = Record("")
        self._pending: RowIds = np.zeros(0, np.int64)
        self._num_gone = 0

    def search(self, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each of ``queries`` ``[Q, D]`` at most ``top_k`` (row id, cosine) pairs, best first, ties by row id.

        Raises:
            StorageError: the store is out of reach.
            LibraryError: it has entries that this library did not write, or lost those that it had.
        """
        self._follow()
        ids, vectors = self._library.vectors_by_id(self._pending.tolist())
        return [self._search(query, top_k, ids, vectors) for query in queries]

    def candidates(self, queries: Vectors, top_k: int) -> list[list[int]]:
        """Row ids of the same passages."""
        return [[row_id for row_id, _ in hits] for hits in self.search(queries, top_k)]

    def check_reachable(self) -> None:
        """Make the store, so that one that is down is noticed before work is done.

        Raises:
            StorageError: it is out of reach.
        """
        _ = self._store.kind

    def write(self, *, is_anew: bool = False) -> None:
        """Bring the store up to the library; the caller is its one writer. What is interrupted goes on next time.

        Args:
            is_anew: write every passage again, for a store that lost some.

        Raises:
            StorageError: the store is out of reach.
            LibraryError: it has entries that this library did not write.
        """
        live, generation = self._library.live_ids()
        record = read_record(self._library, self._store.kind)
        if record.generation == generation and record.is_complete and not is_anew:
            return
        if not len(record.ids):
            self._check_own(live)
        is_doubtful = is_anew or not record.is_complete
        record = replace(record, is_complete=False)
        write_record(self._library, record)
        for batch in _batches(np.setdiff1d(record.ids, live), _BATCH):
            self._store.delete(batch)
        ids = np.zeros(0, np.int64) if is_anew else np.intersect1d(record.ids, live)
        for part in _batches(np.setdiff1d(live, ids), _RECORDED):
            for batch in _batches(part, _BATCH):
                self._add(batch, is_doubtful=is_doubtful)
            ids = np.union1d(ids, part)
            write_record(self._library, replace(record, ids=ids))
        write_record(self._library, Record(record.store, generation, ids))

    def _add(self, batch: list[int], *, is_doubtful: bool) -> None:
        if is_doubtful:  # not every store replaces an entry of the same id
            self._store.delete(batch)
        ids, vectors = self._library.vectors_by_id(batch)
        by_id = dict(zip(ids.tolist(), vectors, strict=True))
        self._store.add({i: p for i, p in self._library.passages(batch).items() if i in by_id}, by_id)

    def _check_own(self, live: RowIds) -> None:
        """Refuse a collection that somebody else uses, before anything is written to it."""
        for vector in self._library.vectors_by_id(live[:1].tolist())[1]:
            self._store.nearest(vector, 1)

    def _follow(self) -> None:
        """Learn what the store lacks; cheap while the library stays as it is."""
        with self._lock:
            if self._library.generation == self._generation and self._record.is_complete and not len(self._pending):
                return
            self._record = read_record(self._library, self._store.kind)
            live, self._generation = self._library.live_ids()
            self._pending = np.setdiff1d(live, self._record.ids)
            self._num_gone = len(np.setdiff1d(self._record.ids, live))
        if len(self._pending) > _MAX_PENDING:
            raise LibraryError(
                f"the vector store lacks {len(self._pending)} passages of the library at {self._library.place}; "
                f"write them with: concord check {self._library.place} --repair"
            )

    def _search(self, query: Vectors, top_k: int, ids: RowIds, vectors: Vectors) -> list[tuple[int, float]]:
        near = self._store.nearest(query, top_k + self._num_gone) if len(self._record.ids) else []
        if len(self._record.ids) > self._num_gone and not near:
            raise LibraryError(
                f"the vector store is empty, although {len(self._record.ids)} passages of the library at "
                f"{self._library.place} were written to it; write them again with: "
                f"concord check {self._library.place} --repair"
            )
        near_ids, near_vectors = self._library.vectors_by_id(near)
        hits = {**_cosines(query, ids, vectors), **_cosines(query, near_ids, near_vectors)}
        return sorted(hits.items(), key=lambda hit: (-hit[1], hit[0]))[:top_k]


def _cosines(query: Vectors, ids: RowIds, vectors: Vectors) -> dict[int, float]:
    return dict(zip(ids.tolist(), (vectors @ query).tolist(), strict=True)) if len(ids) else {}


def _batches(ids: Sequence[int] | RowIds, size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield [int(row_id) for row_id in ids[start : start + size]]
