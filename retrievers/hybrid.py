"""The default retriever: the graph's ranking (meaning, names, chains) plus BM25, weighted by a gate.

Adding everything with equal weight is worse than the graph alone on multi-hop questions (docs/LOG.md): the words of
such a question are those of its first passage only. On questions about one passage the words are the better guide, and
a chain that leads away from that passage does harm. So the gate sets three weights:

1. BM25 is added to the graph's score (which contains the cosine) with a weight that depends on the question's length.
2. The best passage by words gets a higher weight, and so do passages near the top both by words and by meaning.
3. A chain adds what one passage leaves open. In a short question it counts only for the share of words left open.

Shapes: P passages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.core.passages import ScoredPassage
from rag.core.retrieval import Found
from retrievers.base import BatchRetriever, build_stage_ranking
from retrievers.graph.index import GraphIndex, Scores
from retrievers.graph.rank import Ranking
from retrievers.graph.retriever import GraphRetriever, scored_passages, top_rows
from retrievers.query.length_class import LengthClass, length_class
from retrievers.sparse import SparseRetriever

Words = Sequence[tuple[int, float]]
_SPARSE_DEPTH = 50
_WEIGHTS: Mapping[LengthClass, float] = {"simple": 0.5, "compound": 0.2, "multihop": 0.1}


@dataclass(frozen=True)
class GateSettings:
    """Weights of the sparse ranking, chosen on the even-numbered questions of three sets (docs/LOG.md).

    Attributes:
        weights: by length class, weight of a BM25 score divided by the question's best one, in units of cosine.
        agreement_weight: added to it for the best passage by words and for passages that both rankings agree on.
        agreement_depth: they agree on a passage that is among the first this many of both.
    """

    weights: Mapping[LengthClass, float] = field(default_factory=lambda: dict(_WEIGHTS))
    agreement_weight: float = 0.3
    agreement_depth: int = 3


class HybridRetriever(BatchRetriever):
    """The graph's ranking plus the gated sparse one; what the setting ``retrieval="hybrid"`` gives.

    Attributes:
        graph, sparse: the two retrievers.
        settings: weights of the gate.
    """

    graph: Any  # GraphRetriever; pydantic would copy it
    sparse: Any  # SparseRetriever
    settings: GateSettings = GateSettings()

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by combined score."""
        return [
            scored_passages(index, scores, top_rows(index, scores, top_k))
            for index, _, _, scores in self._combine(queries)
        ]

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings, those of both parts, and the graph's paths to the passages."""
        graph: GraphRetriever = self.graph
        out = []
        for query, (index, ranking, words, scores) in zip(queries, self._combine(queries), strict=True):
            rows = top_rows(index, scores, top_k)
            by_graph = graph.describe_rows(query, index, ranking, rows)
            hits = scored_passages(index, scores, rows)
            stages = (
                *by_graph.stages,
                build_stage_ranking("sparse", _scored(index, words[:top_k])),
                build_stage_ranking("fused", hits),
            )
            out.append(Found(tuple(hits), stages, by_graph.paths))
        return out

    def _combine(self, queries: Sequence[str]) -> list[tuple[GraphIndex, Ranking, Words, Scores]]:
        """For each query the passages in reach, the graph's ranking, the sparse ranking, and the combined scores."""
        graph: GraphRetriever = self.graph
        sparse: SparseRetriever = self.sparse
        words = [sparse.match(query, _SPARSE_DEPTH) for query in queries]
        rankings = graph.rankings(queries, [[row_id for row_id, _ in hits] for hits in words])
        return [
            (index, ranking, hits, self.scores(query, index, ranking, hits))
            for query, hits, (index, ranking) in zip(queries, words, rankings, strict=True)
        ]

    def scores(self, query: str, index: GraphIndex, ranking: Ranking, words: Words) -> Scores:
        """``[P]``: the graph's scores plus the sparse ranking's, weighted by the gate.

        Args:
            query: the question.
            index: the passages.
            ranking: the graph's scores of them.
            words: the sparse ranking, best first: row ids and scores.

        Source: ours; the gate after HyPA-RAG's ablation (Kalra et al. 2025), agreement after Amar (Xu et al. 2025).
        """
        question_class = length_class(query)
        scores = ranking.scores.copy()
        if question_class == "simple":
            scores -= ranking.covered * ranking.chains
        if not words:
            return scores
        depth = self.settings.agreement_depth
        nearest = {int(index.row_ids[row]) for row in top_rows(index, ranking.similarity, depth)}
        agreed = {row_id for row_id, _ in words[:depth]} & nearest
        agreed.add(words[0][0])
        for row_id, score in words:
            if row_id in index.rows_by_id:  # otherwise it was published between the two reads
                weight = self.settings.weights[question_class] + self.settings.agreement_weight * (row_id in agreed)
                scores[index.rows_by_id[row_id]] += weight * score / max(words[0][1], 1e-12)
        return scores


def _scored(index: GraphIndex, words: Words) -> list[ScoredPassage]:
    rows = index.present([index.rows_by_id[row_id] for row_id, _ in words if row_id in index.rows_by_id])
    scores = dict(words)
    return [ScoredPassage(index.passages[row], scores[int(index.row_ids[row])]) for row in rows]
