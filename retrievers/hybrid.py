"""The default retriever: meaning, names and chains from the graph, words from the sparse index, behind a gate.

Fusing everything always is worse than the graph alone on questions of several hops (docs/LOG.md): there the words of
the question are those of the first passage only. On questions of one passage the words are the better guide, and a
chain away from that passage misleads. So three things are gated:

1. BM25 is added to the graph's score (of which the cosine is a part) with a weight by the question's length_class;
2. the best passage by words, and those among the best both by words and by meaning, get more of it;
3. a chain completes what one passage leaves open of the question: in a simple question it counts by that share.

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
    """How much the sparse ranking counts. Set on the even-numbered questions of three sets (docs/LOG.md).

    Attributes:
        weights: by length_class, of a BM25 score as a share of the question's best one, in units of cosine.
        agreement_weight: of it on top, for the best passage by words and for those that both rankings agree on.
        agreement_depth: they agree on what is among so many best of both.
    """

    weights: Mapping[LengthClass, float] = field(default_factory=lambda: dict(_WEIGHTS))
    agreement_weight: float = 0.3
    agreement_depth: int = 3


class HybridRetriever(BatchRetriever):
    """The graph's ranking, helped by the sparse one where the gate lets it.

    Attributes:
        graph, sparse: the parts.
        settings: the gate's.
    """

    graph: Any  # GraphRetriever; pydantic would copy it
    sparse: Any  # SparseRetriever
    settings: GateSettings = GateSettings()

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by gated score."""
        index, fused = self._fused(queries)
        return [scored_passages(index, scores, top_rows(index, scores, top_k)) for _, _, scores in fused]

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings, those of the parts, and the graph's paths to the passages."""
        graph: GraphRetriever = self.graph
        index, fused = self._fused(queries)
        out = []
        for query, (ranking, words, scores) in zip(queries, fused, strict=True):
            rows = top_rows(index, scores, top_k)
            found = graph.describe_rows(query, index, ranking, rows)
            hits = scored_passages(index, scores, rows)
            stages = (*found.stages, build_stage_ranking("sparse", words[:top_k]), build_stage_ranking("fused", hits))
            out.append(Found(tuple(hits), stages, found.paths))
        return out

    def _fused(self, queries: Sequence[str]) -> tuple[GraphIndex, list[tuple[Ranking, list[ScoredPassage], Scores]]]:
        """For each query the graph's ranking, the sparse one, and the gated scores of both."""
        graph: GraphRetriever = self.graph
        sparse: SparseRetriever = self.sparse
        index, rankings = graph.rankings(queries)
        words = sparse.search(queries, _SPARSE_DEPTH)
        return index, [
            (ranking, some, self.scores(query, index, ranking, some))
            for query, ranking, some in zip(queries, rankings, words, strict=True)
        ]

    def scores(self, query: str, index: GraphIndex, ranking: Ranking, words: Sequence[ScoredPassage]) -> Scores:
        """``[P]``: the graph's scores and what the gate lets through of the sparse ranking.

        Source: ours; the gate after HyPA-RAG's ablation (Kalra et al. 2025), agreement after Amar (Xu et al. 2025).
        """
        kind = length_class(query)
        scores = ranking.scores.copy()
        if kind == "simple":
            scores -= ranking.covered * ranking.chains
        if not words:
            return scores
        depth = self.settings.agreement_depth
        near = {index.passages[row].passage_id for row in top_rows(index, ranking.similarity, depth)}
        agreed = {item.passage.passage_id for item in words[:depth]} & near
        agreed.add(words[0].passage.passage_id)
        for item in words:
            name = item.passage.passage_id
            if name in index.rows_by_passage_id:  # else published between the two reads
                weight = self.settings.weights[kind] + self.settings.agreement_weight * (name in agreed)
                scores[index.rows_by_passage_id[name]] += weight * item.score / max(words[0].score, 1e-12)
        return scores
