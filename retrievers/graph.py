"""Graph retrieval over a library: names link passages, chains of evidence rank them. No language model.

The graph lives in memory and follows the library: when the library's generation changes, passages that went are
removed from the graph and new ones read, nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from pydantic import PrivateAttr

from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from rag.libraries import AnyLibrary
from rag.types import Passage, ScoredPassage
from retrievers.base import BatchRetriever
from retrievers.encoder import Encoder
from retrievers.graph_facets import facets
from retrievers.graph_index import GraphIndex, Scores
from retrievers.graph_rank import GraphSettings, Ranking, common_entity, rank


@dataclass(frozen=True)
class Evidence:
    """Why a passage ranks where it does.

    Attributes:
        scored: the passage and its score, the sum of the three parts that follow.
        similarity: likeness to the question and its clauses (cosine).
        entities: entities of the question that it holds.
        chain: worth of the best chain that leads to it.
        via: the passage that the chain starts from; ``None`` without one.
        entity: the name that links the two; empty without a chain.
    """

    scored: ScoredPassage
    similarity: float
    entities: float
    chain: float
    via: Passage | None = None
    entity: str = ""


class GraphRetriever(BatchRetriever):
    """Passages by meaning, by the question's entities, and by chains between passages.

    Attributes:
        library: where passages and vectors are kept.
        encoder: the encoder that the library was made with.
        extractors: what reads entities and triples from passages; their findings are united.
        settings: the weights.
    """

    library: AnyLibrary
    encoder: Any  # retrievers.encoder.Encoder; pydantic does not validate protocols
    extractors: Sequence[Any] = (NameExtractor(),)
    settings: GraphSettings = GraphSettings()
    _graph: KnowledgeGraph = PrivateAttr(default_factory=KnowledgeGraph)
    _rows: dict[int, Passage] = PrivateAttr(default_factory=dict)
    _index: GraphIndex | None = PrivateAttr(None)
    _generation: int = PrivateAttr(-1)
    _lock: Any = PrivateAttr(default_factory=Lock)

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by the sum of the three parts; plain dense ones where nothing links."""
        index = self._current_index()
        if not index.passages:
            return [[] for _ in queries]
        return [
            [ScoredPassage(index.passages[i], float(ranking.scores[i])) for i in best(index, ranking.scores, top_k)]
            for ranking in self._rankings(index, queries)
        ]

    def explain(self, query: str, top_k: int) -> list[Evidence]:
        """The ranking of one query with the share of each part, and the chain behind every passage."""
        index = self._current_index()
        if not index.passages:
            return []
        ranking = self._rankings(index, [query])[0]
        return [_evidence(index, ranking, i) for i in best(index, ranking.scores, top_k)]

    @property
    def graph(self) -> KnowledgeGraph:
        """The knowledge graph of the library as it is now; read it, do not change it."""
        self._current_index()
        return self._graph

    def _rankings(self, index: GraphIndex, queries: Sequence[str]) -> list[Ranking]:
        """One encoder call for all queries and their facets."""
        encoder: Encoder = self.encoder
        texts = [facets(query) if self.settings.has_facets else (query,) for query in queries]
        vectors = encoder.encode([text for some in texts for text in some])
        ends = np.cumsum([len(some) for some in texts])[:-1]
        return [
            rank(index, query, (own @ index.vectors.T).astype(np.float64), self.settings)
            for query, own in zip(queries, np.split(vectors, ends), strict=True)
        ]

    def _current_index(self) -> GraphIndex:
        with self._lock:
            if self._index is None or self.library.generation != self._generation:
                self._index = self._follow()
            return self._index

    def _follow(self) -> GraphIndex:
        ids, vectors, self._generation = self.library.vectors()
        gone = self._rows.keys() - set(ids.tolist())
        # Gone first: a replaced document's new passages carry the names of the old ones.
        self._graph.remove_passages([self._rows.pop(row_id).passage_id for row_id in sorted(gone)])
        new = self.library.passages([int(row_id) for row_id in ids if int(row_id) not in self._rows])
        for extractor in self.extractors:
            self._graph.add(extractor.extract(list(new.values())))
        self._rows.update(new)
        # A passage removed between the two reads is in neither; the next generation settles it.
        kept = [position for position, row_id in enumerate(ids.tolist()) if row_id in self._rows]
        passages = [self._rows[int(ids[position])] for position in kept]
        return GraphIndex.of(self._graph, passages, vectors[kept])


def best(index: GraphIndex, scores: Scores, top_k: int) -> list[int]:
    """Rows of the ``top_k`` highest scores, best first, ties by passage_id."""
    top_k = min(top_k, len(scores))
    if top_k <= 0:
        return []
    threshold = np.partition(scores, -top_k)[-top_k]
    rows = np.flatnonzero(scores >= threshold).tolist()
    return sorted(rows, key=lambda i: (-scores[i], index.passages[i].passage_id))[:top_k]


def _evidence(index: GraphIndex, ranking: Ranking, row: int) -> Evidence:
    seed = int(ranking.via[row])
    return Evidence(
        ScoredPassage(index.passages[row], float(ranking.scores[row])),
        similarity=float(ranking.similarity[row]),
        entities=float(ranking.entities[row]),
        chain=float(ranking.chains[row]),
        via=index.passages[seed] if seed >= 0 else None,
        entity=common_entity(index, seed, row) if seed >= 0 else "",
    )
