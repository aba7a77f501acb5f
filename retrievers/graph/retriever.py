"""Graph retrieval over a library: names link passages, and chains of links rank them. No language model.

A question reads the part of the graph that it touches from the library's index
(:mod:`retrievers.graph.neighbourhood`). ``is_exhaustive`` scores every passage of the library instead, from a graph in
memory: the measure that the index is held to, and what other extractors than the rules need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import PrivateAttr

from kg.claims import claims_in
from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from kg.types import Extraction
from kg.walk import Walker
from rag.core.encoding import Encoder, Vectors
from rag.core.errors import StorageError
from rag.core.passages import Passage, ScoredPassage
from rag.core.retrieval import Found
from rag.library.base import IMPORTED, Library
from retrievers.base import BatchRetriever, build_stage_ranking
from retrievers.graph.facets import facets
from retrievers.graph.index import GraphIndex, Scores
from retrievers.graph.indexing import GraphIndexer
from retrievers.graph.neighbourhood import NeighbourhoodMatrices, Question, Reach, read_neighbourhood
from retrievers.graph.paths import Evidence, build_evidence, chains, claim_paths
from retrievers.graph.rank import GraphSettings, Ranking, rank
from retrievers.graph.store import stored_extractions
from retrievers.graph.whole import WholeGraph

# Few plans are enough: the paths only explain passages that are already ranked.
_MAX_PLANS = 64
RowIds = Sequence[int]
T = TypeVar("T")


class GraphRetriever(BatchRetriever):
    """Ranks by similarity, by the question's entities, and by chains between passages.

    Attributes:
        library: contains the passages and vectors.
        encoder: the encoder of the library's vectors.
        extractors: read entities and triples from passages; their results are merged.
        settings: the weights.
        reach: how far a question reaches into the index.
        is_exhaustive: score every passage, from a graph in memory.
        dense: names the candidates; by default the library's index.
    """

    library: Library
    encoder: Any  # rag.core.encoding.Encoder; pydantic does not validate protocols
    extractors: Sequence[Any] = (NameExtractor(),)
    settings: GraphSettings = GraphSettings()
    reach: Reach = Reach()
    is_exhaustive: bool = False
    dense: Any = None  # rag.library.base.DenseIndex
    _whole: WholeGraph = PrivateAttr()
    _indexer: GraphIndexer = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Make the parts over the library; nothing is read yet."""
        self._whole = WholeGraph(self.library, self.extractors)
        self._indexer = GraphIndexer(self.library)

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by the sum of the three parts; by cosine alone if nothing is linked."""
        return [
            scored_passages(index, ranking.scores, top_rows(index, ranking.scores, top_k))
            for index, ranking in self.rankings(queries)
        ]

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings, those by similarity alone, and the paths to the passages."""
        return [
            self.describe_rows(query, index, ranking, top_rows(index, ranking.scores, top_k))
            for query, (index, ranking) in zip(queries, self.rankings(queries), strict=True)
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
        paths = (*chains(evidence), *self._claim_paths(query, index, rows))
        return Found(tuple(item.scored for item in evidence), stages, paths)

    def explain(self, query: str, top_k: int) -> list[Evidence]:
        """The ranking of one query with the parts of each score and the chain to each passage."""
        ((index, ranking),) = self.rankings([query])
        return [build_evidence(index, ranking, row) for row in top_rows(index, ranking.scores, top_k)]

    @property
    def graph(self) -> KnowledgeGraph:
        """The knowledge graph of the whole library as it is now; read it, do not change it. It is kept in memory."""
        return self._whole.graph

    def read(self, task: Callable[[KnowledgeGraph], T]) -> T:
        """What ``task`` reads from the graph of the library as it is now; changes of the graph wait meanwhile."""
        return self._whole.read(task)

    @property
    def indexer(self) -> GraphIndexer:
        """Brings the library's index up to date."""
        return self._indexer

    def rankings(self, queries: Sequence[str], others: Sequence[RowIds] = ()) -> list[tuple[GraphIndex, Ranking]]:
        """For each query the passages in reach and their scores.

        One encoder call for all queries and their clauses; none while the library is empty.

        Args:
            queries: the questions.
            others: for each query row ids that are to be among the passages.
        """
        if not self.library.num_passages:
            index, empty = GraphIndex.build(KnowledgeGraph(), (), np.zeros((0, 0), np.float32)), np.zeros(0)
            return [(index, Ranking(empty, empty, empty, empty, empty.astype(np.int64), 0.0)) for _ in queries]
        if not queries:
            return []
        encoder: Encoder = self.encoder
        texts = [facets(query) if self.settings.has_facets else (query,) for query in queries]
        vectors = encoder.encode([text for clauses in texts for text in clauses])
        parts = np.split(vectors, np.cumsum([len(clauses) for clauses in texts])[:-1])
        if not self._has_index():
            return self._scan(queries, parts)
        hits = iter((self.dense or self.library.dense_index()).candidates(vectors, self.reach.nearest))
        nearest = [self._nearest([next(hits) for _ in clauses]) for clauses in texts]
        out = []
        for query, part, near, also in zip(queries, parts, nearest, others or [()] * len(queries), strict=True):
            question = Question(query, part, near, also)
            index, cosines = read_neighbourhood(self.library, question, self.settings, self.reach)
            out.append((index, rank(index, query, cosines, self.settings)))
        return out

    def _nearest(self, hits: Sequence[RowIds]) -> list[int]:
        """Row ids nearest to the question, which comes first, and to its clauses."""
        clauses = (row_id for row in hits[1:] for row_id in row[: self.reach.nearest_to_clause])
        return [*hits[0], *clauses]

    def _scan(self, queries: Sequence[str], parts: Sequence[Vectors]) -> list[tuple[GraphIndex, Ranking]]:
        """Every passage, scored in memory."""
        index = self._whole.current_index()
        return [
            (index, rank(index, query, (part @ index.vectors.T).astype(np.float64), self.settings))
            for query, part in zip(queries, parts, strict=True)
        ]

    def _has_index(self) -> bool:
        """Whether the library's index serves this retriever; what it lacks is added first."""
        if self.is_exhaustive or [item.fingerprint for item in self.extractors] != [NameExtractor.fingerprint]:
            return False
        try:
            self._indexer.update()
        except StorageError:
            # A library that cannot be written to still answers, as slowly as before there was an index.
            return False
        return True

    def _claim_paths(self, query: str, index: GraphIndex, rows: Sequence[int]) -> tuple[Any, ...]:
        """Paths of claims that these passages make."""
        passages = {int(index.row_ids[row]): index.passages[row] for row in rows}
        extractions = self._extractions(passages, is_local=isinstance(index.matrices, NeighbourhoodMatrices))
        walker = Walker(KnowledgeGraph(extractions), self.encoder, max_plans=_MAX_PLANS)
        plans = walker.planner.plan(query)
        return claim_paths(walker, plans, [passage.passage_id for passage in passages.values()])

    def _extractions(self, passages: dict[int, Passage], *, is_local: bool) -> list[Extraction]:
        if not is_local:
            return self._whole.extractions(list(passages.values()))
        read = [
            Extraction(passage.doc_id, passage.passage_id, triples=tuple(dict.fromkeys(claims_in(passage))))
            for passage in passages.values()
        ]
        imported = stored_extractions(self.library, IMPORTED, passages) if self.library.imported_at else {}
        return [*read, *imported.values()]


def top_rows(index: GraphIndex, scores: Scores, top_k: int) -> list[int]:
    """Rows of the ``top_k`` highest scores, best first, ties by passage_id."""
    top_k = min(top_k, len(scores))
    if top_k <= 0:
        return []
    threshold = np.partition(scores, -top_k)[-top_k]
    rows = index.present(np.flatnonzero(scores >= threshold).tolist())
    return sorted(rows, key=lambda i: (-scores[i], index.passages[i].passage_id))[:top_k]


def scored_passages(index: GraphIndex, scores: Scores, rows: Sequence[int]) -> list[ScoredPassage]:
    """The passages at ``rows`` with their scores, in this order."""
    return [ScoredPassage(index.passages[row], float(scores[row])) for row in rows]
