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
        index, combined = self._combine(queries)
        return [scored_passages(index, scores, top_rows(index, scores, top_k)) for _, _, scores in combined]

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings, those of both parts, and the graph's paths to the passages."""
        graph: GraphRetriever = self.graph
        index, combined = self._combine(queries)
        out = []
        for query, (ranking, words, scores) in zip(queries, combined, strict=True):
            rows = top_rows(index, scores, top_k)
            by_graph = graph.describe_rows(query, index, ranking, rows)
            hits = scored_passages(index, scores, rows)
            stages = (
                *by_graph.stages,
                build_stage_ranking("sparse", words[:top_k]),
                build_stage_ranking("fused", hits),
            )
            out.append(Found(tuple(hits), stages, by_graph.paths))
        return out

    def _combine(self, queries: Sequence[str]) -> tuple[GraphIndex, list[tuple[Ranking, list[ScoredPassage], Scores]]]:
        """For each query the graph's ranking, the sparse ranking, and the combined scores."""
        graph: GraphRetriever = self.graph
        sparse: SparseRetriever = self.sparse
        index, rankings = graph.rankings(queries)
        sparse_rankings = sparse.search(queries, _SPARSE_DEPTH)
        return index, [
            (ranking, words, self.scores(query, index, ranking, words))
            for query, ranking, words in zip(queries, rankings, sparse_rankings, strict=True)
        ]

    def scores(self, query: str, index: GraphIndex, ranking: Ranking, words: Sequence[ScoredPassage]) -> Scores:
        """``[P]``: the graph's scores plus the sparse ranking's, weighted by the gate.

        Args:
            query: the question.
            index: the passages.
            ranking: the graph's scores of them.
            words: the sparse ranking, best first.

        Source: ours; the gate after HyPA-RAG's ablation (Kalra et al. 2025), agreement after Amar (Xu et al. 2025).
        """
        question_class = length_class(query)
        scores = ranking.scores.copy()
        if question_class == "simple":
            scores -= ranking.covered * ranking.chains
        if not words:
            return scores
        depth = self.settings.agreement_depth
        nearest = {index.passages[row].passage_id for row in top_rows(index, ranking.similarity, depth)}
        agreed = {item.passage.passage_id for item in words[:depth]} & nearest
        agreed.add(words[0].passage.passage_id)
        for item in words:
            name = item.passage.passage_id
            if name in index.rows_by_passage_id:  # otherwise it was published between the two reads
                weight = self.settings.weights[question_class] + self.settings.agreement_weight * (name in agreed)
                scores[index.rows_by_passage_id[name]] += weight * item.score / max(words[0].score, 1e-12)
        return scores
