"""Graph retrieval over a library: names link passages, chains of evidence rank them. No language model.

The graph lives in memory and follows the library: when the library's generation changes, passages that went are
removed from the graph and new ones added, nothing else is touched. What the extractors read is kept in the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PrivateAttr

from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from kg.walk import Walker
from rag.core.encoding import Encoder
from rag.core.passages import Passage, ScoredPassage
from rag.core.retrieval import Found
from rag.library.base import Library
from retrievers.base import BatchRetriever, build_stage_ranking
from retrievers.graph.facets import facets
from retrievers.graph.index import GraphIndex, Scores
from retrievers.graph.paths import Evidence, build_evidence, chains, claim_paths
from retrievers.graph.rank import GraphSettings, Ranking, rank
from retrievers.graph.store import IMPORTED, batches, kept_extractions, read_passages

# Extractions take ten times the memory before the graph packs them.
_READ_AT_ONCE = 2000

_MAX_PLANS = 64


class GraphRetriever(BatchRetriever):
    """Passages by meaning, by the question's entities, and by chains between passages.

    Attributes:
        library: where passages and vectors are kept.
        encoder: the encoder that the library was made with.
        extractors: what reads entities and triples from passages; their findings are united.
        settings: the weights.
    """

    library: Library
    encoder: Any  # rag.core.encoding.Encoder; pydantic does not validate protocols
    extractors: Sequence[Any] = (NameExtractor(),)
    settings: GraphSettings = GraphSettings()
    _graph: KnowledgeGraph = PrivateAttr(default_factory=KnowledgeGraph)
    _rows: dict[int, Passage] = PrivateAttr(default_factory=dict)
    _index: GraphIndex | None = PrivateAttr(None)
    _ids: Any = PrivateAttr(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _generation: int = PrivateAttr(-1)
    _imported_at: int = PrivateAttr(0)
    _path_walker: Walker | None = PrivateAttr(None)
    _lock: Any = PrivateAttr(default_factory=Lock)

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by the sum of the three parts; plain dense ones where nothing links."""
        index, rankings = self.rankings(queries)
        return [scored_passages(index, ranking.scores, top_rows(index, ranking.scores, top_k)) for ranking in rankings]

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings, that of meaning alone beside them, and the paths to the passages."""
        index, rankings = self.rankings(queries)
        return [
            self.describe_rows(query, index, ranking, top_rows(index, ranking.scores, top_k))
            for query, ranking in zip(queries, rankings, strict=True)
        ]

    def describe_rows(self, query: str, index: GraphIndex, ranking: Ranking, rows: Sequence[int]) -> Found:
        """What the trace tells of the passages at ``rows``, in this order."""
        dense = top_rows(index, ranking.similarity, len(rows))
        graph = top_rows(index, ranking.scores, len(rows))
        stages = (
            build_stage_ranking("dense", scored_passages(index, ranking.similarity, dense)),
            build_stage_ranking("graph", scored_passages(index, ranking.scores, graph)),
        )
        evidence = [build_evidence(index, ranking, row) for row in rows]
        passage_ids = [index.passages[row].passage_id for row in rows]
        # The walker reads the graph, which another question may be bringing up to date: under the lock. It encodes
        # without the lock, which every question needs.
        with self._lock:
            candidates = self._walker.candidates(query)
        plans = self._walker.score(candidates)
        with self._lock:
            paths = (*chains(evidence), *claim_paths(self._walker, plans, passage_ids))
        return Found(tuple(item.scored for item in evidence), stages, paths)

    def explain(self, query: str, top_k: int) -> list[Evidence]:
        """The ranking of one query with the share of each part, and the chain behind every passage."""
        index, (ranking,) = self.rankings([query])
        return [build_evidence(index, ranking, row) for row in top_rows(index, ranking.scores, top_k)]

    @property
    def graph(self) -> KnowledgeGraph:
        """The knowledge graph of the library as it is now; read it, do not change it."""
        self._current_index()
        return self._graph

    @property
    def _walker(self) -> Walker:
        if self._path_walker is None:
            # Few plans: paths are shown here, not searched for; the passages are found already.
            self._path_walker = Walker(self._graph, self.encoder, max_plans=_MAX_PLANS)
        return self._path_walker

    def rankings(self, queries: Sequence[str]) -> tuple[GraphIndex, list[Ranking]]:
        """Scores of every passage for each query, and the index they are rows of.

        One encoder call for all queries and their facets; none while the library is empty.
        """
        index = self._current_index()
        if not index.passages:
            nothing = np.zeros(0)
            return index, [Ranking(nothing, nothing, nothing, nothing, nothing.astype(np.int64), 0.0) for _ in queries]
        if not queries:
            return index, []
        encoder: Encoder = self.encoder
        texts = [facets(query) if self.settings.has_facets else (query,) for query in queries]
        vectors = encoder.encode([text for some in texts for text in some])
        ends = np.cumsum([len(some) for some in texts])[:-1]
        return index, [
            rank(index, query, (own @ index.vectors.T).astype(np.float64), self.settings)
            for query, own in zip(queries, np.split(vectors, ends), strict=True)
        ]

    def _current_index(self) -> GraphIndex:
        with self._lock:
            if self._index is None or self.library.generation != self._generation:
                try:
                    self._index = self._follow()
                except BaseException:
                    self._forget()  # half of a step was taken
                    raise
            return self._index

    def _follow(self) -> GraphIndex:
        ids, self._generation = self.library.live_ids()
        if self._imported_at != self.library.imported_at:
            self._forget()
        # Gone first: a replaced document's new passages carry the names of the old ones.
        gone = np.setdiff1d(self._ids, ids)
        self._graph.remove_passages([self._rows.pop(row_id).passage_id for row_id in gone.tolist()])
        is_kept = np.isin(self._ids, ids)
        new_ids, new_vectors = self.library.vectors_by_id(np.setdiff1d(ids, self._ids))
        new = self.library.passages(new_ids.tolist())
        # A passage that was removed between the two reads is in neither; the next generation settles it.
        is_there = np.isin(new_ids, list(new))
        self._read(new)
        self._ids = np.concatenate([self._ids[is_kept], new_ids[is_there]])
        passages = [self._rows[row_id] for row_id in self._ids.tolist()]
        if self._index is None:
            return GraphIndex.build(self._graph, passages, new_vectors[is_there])
        vectors = _joined([self._index.vectors[is_kept], new_vectors[is_there]])
        return GraphIndex.build(self._graph, passages, vectors, self._index, is_kept)

    def _read(self, new: dict[int, Passage]) -> None:
        """Add what the extractors and the imported files say of new passages."""
        for some in batches(new, _READ_AT_ONCE):
            for extractor in self.extractors:
                self._graph.add(read_passages(self.library, extractor, some))
            if self._imported_at:
                self._graph.add(kept_extractions(self.library, IMPORTED, some).values())
        self._rows.update(new)

    def _forget(self) -> None:
        """Begin anew: passages that were read already have got more to say."""
        self._graph.remove_passages(self._graph.passage_ids)
        self._rows, self._index = {}, None
        self._ids = np.zeros(0, dtype=np.int64)
        self._imported_at = self.library.imported_at


def _joined(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Rows of all parts; those without any rows may have any width."""
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else parts[0]


def top_rows(index: GraphIndex, scores: Scores, top_k: int) -> list[int]:
    """Rows of the ``top_k`` highest scores, best first, ties by passage_id."""
    top_k = min(top_k, len(scores))
    if top_k <= 0:
        return []
    threshold = np.partition(scores, -top_k)[-top_k]
    rows = np.flatnonzero(scores >= threshold).tolist()
    return sorted(rows, key=lambda i: (-scores[i], index.passages[i].passage_id))[:top_k]


def scored_passages(index: GraphIndex, scores: Scores, rows: Sequence[int]) -> list[ScoredPassage]:
    """The passages at ``rows`` with their scores, in this order."""
    return [ScoredPassage(index.passages[row], float(scores[row])) for row in rows]
