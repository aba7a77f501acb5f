"""Build a vector index from a library, and bring it up to date.

An index holds row ids beside vectors, and rows come and go without a rebuild: FAISS removes them from its lists, so
nothing is left to compact. It is built again only when it has outgrown its training sample, or when its size calls for
the other kind. HNSW cannot remove vectors, so it is not used.

Shapes: N vectors of length D, Q queries, K neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rag.core.encoding import Vectors
from rag.library.base import Library, RowIds
from rag.library.sqlite.vector_index import IndexInfo, VectorIndex, num_gpus

# Up to here an exact scan takes a few milliseconds on one core; a GPU scans some hundred times faster.
EXACT_LIMIT = 20_000
EXACT_LIMIT_GPU = 2_000_000
# What a build goes for (its sample is a little easier than questions), and the least it takes; else it stays exact.
TARGET_RECALL = 0.995
MIN_RECALL = 0.95
TOP_K = 10
_BATCH = 4096
_NUM_SAMPLED = 128
_NUM_CANDIDATES = 300
_TRAIN_PER_LIST = 40
_NUM_ITERATIONS = 12
_MAX_GROWTH = 4
_SEED = 7


def build_index(library: Library, ids: RowIds) -> VectorIndex:
    """An index of these rows, read from the library in batches."""
    if len(ids) > exact_limit():
        approximate = _build_ivfpq(library, ids)
        if approximate.info.recall_at_10 >= MIN_RECALL:
            return approximate
    return _build_exact(library, ids)


def update_index(current: VectorIndex, library: Library, ids: RowIds) -> VectorIndex:
    """``current`` brought to these rows; the work is that of what changed, unless a rebuild is due."""
    import faiss

    has = current.ids
    new, gone = np.setdiff1d(ids, has), np.setdiff1d(has, ids)
    if not len(new) and not len(gone):
        return current
    # Nothing in common: perhaps even the encoder is another one now.
    if len(gone) == len(has) or _is_outgrown(current.info, len(ids)):
        return build_index(library, ids)
    index: Any = faiss.clone_index(current.index)
    if len(gone):
        index.remove_ids(gone)
    _add(index, library, new)
    return replace(current, index=index)


def exact_limit() -> int:
    """Most vectors that are searched exactly on this machine."""
    return EXACT_LIMIT_GPU if num_gpus() else EXACT_LIMIT


def _is_outgrown(info: IndexInfo, size: int) -> bool:
    if info.kind == "exact":
        # An exact index above the limit is one whose vectors do not quantise: tried again when it has doubled.
        return size > max(exact_limit(), 2 * info.num_trained)
    return size > _MAX_GROWTH * info.num_trained or size < exact_limit() // 2


def _build_exact(library: Library, ids: RowIds) -> VectorIndex:
    import faiss

    dimension = library.vectors_by_id(ids[:_BATCH])[1].shape[1]
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
    _add(index, library, ids)
    return VectorIndex(index, IndexInfo("exact", 1.0, 0, len(ids), library.identity))


def _build_ivfpq(library: Library, ids: RowIds) -> VectorIndex:
    """Train on a sample, add all, and search as many lists as the recall of sampled queries asks for.

    Source: inverted file with product quantisation (Jégou, Douze and Schmid 2011); re-ranking by exact vectors is ours.
    """
    rng = np.random.default_rng(_SEED)
    num_lists = 2 ** round(np.log2(2 * np.sqrt(len(ids))))
    sample = rng.choice(ids, min(len(ids), _TRAIN_PER_LIST * num_lists), replace=False)
    vectors = library.vectors_by_id(sample)[1]
    index = _untrained_ivfpq(vectors.shape[1], num_lists)
    index.train(vectors)
    _add(index, library, ids)
    queries = _like_questions(vectors, rng)
    exact = exact_neighbours(library, ids, queries)
    built = VectorIndex(index, IndexInfo("ivfpq", 0.0, _NUM_CANDIDATES, len(ids), library.identity))
    while True:
        neighbours = [{i for i, _ in row} for row in built.search(library, queries, TOP_K)]
        recall = float(np.mean([len(a & b) / len(b) for a, b in zip(neighbours, exact, strict=True)]))
        if recall >= TARGET_RECALL or index.nprobe >= num_lists // 2:
            return replace(built, info=replace(built.info, recall_at_10=recall))
        index.nprobe *= 2


def _untrained_ivfpq(dimension: int, num_lists: int) -> Any:
    import faiss

    # "np": without polysemous training, which takes most of the time and serves another kind of search.
    codes = f"PQ{_num_codes(dimension)}np"
    index: Any = faiss.index_factory(dimension, f"IVF{num_lists},{codes}", faiss.METRIC_INNER_PRODUCT)
    index.pq.cp.niter = _NUM_ITERATIONS
    for clustering in (index.cp, index.pq.cp):
        clustering.min_points_per_centroid = 1  # else FAISS prints warnings; recall is measured anyway
    return index


def exact_neighbours(library: Library, ids: RowIds, queries: Vectors, top_k: int = TOP_K) -> list[set[int]]:
    """Row ids of the exact ``top_k`` nearest of every query, by one pass over the library in batches."""
    best = np.full((len(queries), top_k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), top_k), -1, dtype=np.int64)
    for batch_ids, vectors in _batches(library, ids):
        scores = np.hstack([best, queries @ vectors.T])
        names = np.hstack([rows, np.broadcast_to(batch_ids, (len(queries), len(batch_ids)))])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        best, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(names, order, 1)
    return [set(row[row >= 0].tolist()) for row in rows]


def _add(index: Any, library: Library, ids: RowIds) -> None:
    for batch_ids, vectors in _batches(library, ids):
        index.add_with_ids(vectors, batch_ids)


def _batches(library: Library, ids: RowIds) -> Iterator[tuple[RowIds, Vectors]]:
    for first in range(0, len(ids), _BATCH):
        batch_ids, vectors = library.vectors_by_id(ids[first : first + _BATCH])
        if len(batch_ids):  # else removed meanwhile
            yield batch_ids, vectors


def _like_questions(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    """Unit vectors whose neighbours are as hard to find as those of questions.

    A question lies between the passages, near none: the mean of five passages, moved to a cosine of 0.6 by noise.
    Measured, lists that find .98 of the neighbours of slightly moved passages find .40 of those of real questions.
    """
    means = vectors[rng.integers(len(vectors), size=(5, _NUM_SAMPLED))].mean(axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    noise = rng.standard_normal(means.shape)
    moved = means + 4 / 3 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    scaled: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def _num_codes(dimension: int) -> int:
    """Bytes of a product code: one for four dimensions, or for the next larger number that divides them."""
    return next(m for m in range(max(dimension // 4, 1), 0, -1) if dimension % m == 0)
