"""Nearest vectors by FAISS: exact for small libraries, an inverted file with product quantisation for large ones.

An index is built and brought up to date in :mod:`rag.library.sqlite.index_build`.

Shapes: N vectors of length D, Q queries, K neighbours.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rag.core.encoding import Vectors
from rag.core.process.threads import one_thread
from rag.library.base import Library, RowIds

# So many queries are searched by one thread: a question and its clauses.
_FEW_QUERIES = 16


@dataclass(frozen=True)
class IndexInfo:
    """What an index is, as measured when it was built.

    Attributes:
        kind: how it searches.
        recall_at_10: share of the ten exact neighbours that it finds, re-ranking included.
        num_candidates: rows that are re-ranked by their exact vectors; 0 where scores are exact already.
        num_trained: vectors that it was built from.
        library: identity of the library that it belongs to.
        generation: of the library's rows that it holds; -1 where it is unknown.
    """

    kind: Literal["exact", "ivfpq"]
    recall_at_10: float
    num_candidates: int
    num_trained: int
    library: str
    generation: int = -1


@dataclass(frozen=True)
class VectorIndex:
    """A FAISS index that is never changed: an update works on a copy, so that threads may search meanwhile."""

    index: Any
    info: IndexInfo

    @property
    def ids(self) -> RowIds:
        """Row ids ``[N]``, ascending."""
        import faiss

        if self.info.kind == "exact":
            return np.sort(faiss.vector_to_array(self.index.id_map))
        lists = self.index.invlists
        parts = [_list_ids(lists, i) for i in range(lists.nlist)]
        return np.sort(np.concatenate(parts))

    def search(self, library: Library, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each query at most ``top_k`` (row id, cosine) pairs, best first, ties by row id."""
        depth = min(max(top_k, self.info.num_candidates), self.index.ntotal)
        if not depth:  # all rows were removed while it was built
            return [[] for _ in queries]
        scores, ids = self._search(queries, depth)
        hits = [
            [(int(i), float(s)) for i, s in zip(*row, strict=True) if i >= 0] for row in zip(ids, scores, strict=True)
        ]
        if self.info.num_candidates:
            hits = [_reranked(library, query, [i for i, _ in row]) for query, row in zip(queries, hits, strict=True)]
        return [sorted(row, key=lambda hit: (-hit[1], hit[0]))[:top_k] for row in hits]

    def candidates(self, queries: Vectors, top_k: int) -> list[list[int]]:
        """For each query the row ids of about the ``top_k`` nearest, by their codes alone."""
        depth = min(top_k, self.index.ntotal)
        if not depth or not len(queries):
            return [[] for _ in queries]
        return [row[row >= 0].tolist() for row in self._search(queries, depth)[1]]

    def _search(self, queries: Vectors, depth: int) -> tuple[Vectors, RowIds]:
        """Scores and row ids ``[Q, depth]``; a few queries by one thread, which is faster than to wake others."""
        searcher = self._searcher
        with one_thread() if len(queries) <= _FEW_QUERIES else nullcontext():
            scores, ids = searcher.search(queries, depth)
        return scores, ids

    @cached_property
    def _searcher(self) -> Any:
        """The index itself, or a copy on the GPUs; rows come and go in the former, which every FAISS can change."""
        import faiss

        is_copied = self.info.kind == "exact" and num_gpus()
        return faiss.index_cpu_to_all_gpus(self.index) if is_copied else self.index


def num_gpus() -> int:
    """GPUs that this FAISS can use."""
    import faiss

    # Only the GPU build has the function.
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


def _reranked(library: Library, query: NDArray[np.float32], candidates: list[int]) -> list[tuple[int, float]]:
    ids, vectors = library.vectors_by_id(candidates)
    return list(zip(ids.tolist(), (vectors @ query).tolist(), strict=True)) if len(ids) else []


def _list_ids(lists: Any, number: int) -> RowIds:
    import faiss

    size = lists.list_size(number)
    ids: RowIds = faiss.rev_swig_ptr(lists.get_ids(number), size).copy() if size else np.zeros(0, dtype=np.int64)
    return ids
