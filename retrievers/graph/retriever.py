"""Graph retrieval over a library: names link passages, and chains of links rank them. No language model.

The graph is in memory and follows the library. When the library's generation changes, removed passages are taken out of
the graph and new ones are added; nothing else changes. Extractions are stored in the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeVar

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
from retrievers.graph.store import IMPORTED, batches, read_passages, stored_extractions

# Bounds memory: an extraction takes ten times as much until the graph packs it.
_READ_AT_ONCE = 2000

_MAX_PLANS = 64
T = TypeVar("T")


class GraphRetriever(BatchRetriever):
    """Ranks by similarity, by the question's entities, and by chains between passages.

    Attributes:
        library: contains the passages and vectors.
        encoder: the encoder of the library's vectors.
        extractors: read entities and triples from passages; their results are merged.
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
        """Rankings by the sum of the three parts; by cosine alone if nothing is linked."""
        index, rankings = self.rankings(queries)
        return [scored_passages(index, ranking.scores, top_rows(index, ranking.scores, top_k)) for ranking in rankings]

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings, those by similarity alone, and the paths to the passages."""
        index, rankings = self.rankings(queries)
        return [
            self.describe_rows(query, index, ranking, top_rows(index, ranking.scores, top_k))
            for query, ranking in zip(queries, rankings, strict=True)
        ]

    def describe_rows(self, query: str, index: GraphIndex, ranking: Ranking, rows: Sequence[int]) -> Found:
        """The ranking, trace and paths of the passages at ``rows``, in this order."""
        dense = top_rows(index, ranking.similarity, len(rows))
        graph = top_rows(index, ranking.scores, len(rows))
        stages = (
            build_stage_ranking("dense", scored_passages(index, ranking.similarity, dense)),
            build_stage_ranking("graph", scored_passages(index, ranking.scores, graph)),
        )
        evidence = [build_evidence(index, ranking, row) for row in rows]
        passage_ids = [index.passages[row].passage_id for row in rows]
        # Reading the graph needs the lock, because another question may be updating the graph. Encoding does not:
        # every question needs the lock.
        with self._lock:
            candidates = self._walker.planner.candidates(query)
        plans = self._walker.planner.score(candidates)
        with self._lock:
            paths = (*chains(evidence), *claim_paths(self._walker, plans, passage_ids))
        return Found(tuple(item.scored for item in evidence), stages, paths)

    def explain(self, query: str, top_k: int) -> list[Evidence]:
        """The ranking of one query with the parts of each score and the chain to each passage."""
        index, (ranking,) = self.rankings([query])
        return [build_evidence(index, ranking, row) for row in top_rows(index, ranking.scores, top_k)]

    @property
    def graph(self) -> KnowledgeGraph:
        """The knowledge graph of the library as it is now; read it, do not change it."""
        self._current_index()
        return self._graph

    def read(self, task: Callable[[KnowledgeGraph], T]) -> T:
        """What ``task`` reads from the graph of the library as it is now; questions wait meanwhile."""
        self._current_index()
        with self._lock:
            return task(self._graph)

    @property
    def _walker(self) -> Walker:
        if self._path_walker is None:
            # Few plans are enough: the paths only explain passages that are already ranked.
            self._path_walker = Walker(self._graph, self.encoder, max_plans=_MAX_PLANS)
        return self._path_walker

    def rankings(self, queries: Sequence[str]) -> tuple[GraphIndex, list[Ranking]]:
        """Scores of every passage for each query, and the index that their rows refer to.

        One encoder call for all queries and their clauses; none while the library is empty.
        """
        index = self._current_index()
        if not index.passages:
            empty = np.zeros(0)
            return index, [Ranking(empty, empty, empty, empty, empty.astype(np.int64), 0.0) for _ in queries]
        if not queries:
            return index, []
        encoder: Encoder = self.encoder
        texts = [facets(query) if self.settings.has_facets else (query,) for query in queries]
        vectors = encoder.encode([text for clauses in texts for text in clauses])
        ends = np.cumsum([len(clauses) for clauses in texts])[:-1]
        return index, [
            rank(index, query, (query_vectors @ index.vectors.T).astype(np.float64), self.settings)
            for query, query_vectors in zip(queries, np.split(vectors, ends), strict=True)
        ]

    def _current_index(self) -> GraphIndex:
        with self._lock:
            if self._index is None or self.library.generation != self._generation:
                try:
                    self._index = self._follow()
                except BaseException:
                    self._forget()  # the update may be half done
                    raise
            return self._index

    def _follow(self) -> GraphIndex:
        ids, self._generation = self.library.live_ids()
        if self._imported_at != self.library.imported_at:
            self._forget()
        # Remove first: the new passages of a replaced document have the ids of the old ones.
        removed = np.setdiff1d(self._ids, ids)
        self._graph.remove_passages([self._rows.pop(row_id).passage_id for row_id in removed.tolist()])
        is_kept = np.isin(self._ids, ids)
        new_ids, new_vectors = self.library.vectors_by_id(np.setdiff1d(ids, self._ids))
        new = self.library.passages(new_ids.tolist())
        # A passage that was removed between the two reads is left out; the next generation no longer has it.
        is_present = np.isin(new_ids, list(new))
        self._read(new)
        self._ids = np.concatenate([self._ids[is_kept], new_ids[is_present]])
        passages = [self._rows[row_id] for row_id in self._ids.tolist()]
        if self._index is None:
            return GraphIndex.build(self._graph, passages, new_vectors[is_present])
        vectors = _join([self._index.vectors[is_kept], new_vectors[is_present]])
        return GraphIndex.build(self._graph, passages, vectors, self._index, is_kept)

    def _read(self, new: dict[int, Passage]) -> None:
        """Add the extractions of new passages, including imported ones."""
        for batch in batches(new, _READ_AT_ONCE):
            for extractor in self.extractors:
                self._graph.add(read_passages(self.library, extractor, batch))
            if self._imported_at:
                self._graph.add(stored_extractions(self.library, IMPORTED, batch).values())
        self._rows.update(new)

    def _forget(self) -> None:
        """Start again from nothing, because passages that were already read have new imported triples."""
        self._graph.remove_passages(self._graph.passage_ids)
        self._rows, self._index = {}, None
        self._ids = np.zeros(0, dtype=np.int64)
        self._imported_at = self.library.imported_at


def _join(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The rows of all parts; empty parts may have another width."""
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
