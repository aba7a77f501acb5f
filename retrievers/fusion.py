"""Fusion of rankings by reciprocal rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.core.passages import Passage, ScoredPassage
from retrievers.base import BatchRetriever, search

# Each ranking is read deeper than the result is long, so that agreement below the cut counts.
_DEPTH_FACTOR = 5
_MIN_DEPTH = 20


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[ScoredPassage]], k: int = 60, weights: Sequence[float] | None = None
) -> list[ScoredPassage]:
    """One ranking from several: a passage scores the sum of ``weight / (k + rank)`` over those that contain it.

    Ranks count from 1. Ties are ordered by passage_id. The default weight is 1.

    Source: Cormack, Clarke and Büttcher (SIGIR 2009), equation 1.
    """
    passages: dict[str, Passage] = {}
    scores: dict[str, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, scored in enumerate(ranking, start=1):
            name = scored.passage.passage_id
            passages.setdefault(name, scored.passage)
            scores[name] = scores.get(name, 0.0) + weight / (k + rank)
    order = sorted(scores, key=lambda name: (-scores[name], name))
    return [ScoredPassage(passages[name], scores[name]) for name in order]


class FusedRetriever(BatchRetriever):
    """Reciprocal rank fusion of any LangChain retrievers.

    A published baseline that the benchmarks compare with; no setting of the engine uses it.
    """

    retrievers: Sequence[Any]  # BaseRetriever; pydantic would copy them
    rrf_k: int = 60

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by fused score."""
        depth = max(_MIN_DEPTH, _DEPTH_FACTOR * top_k)
        rankings = [search(retriever, queries, depth) for retriever in self.retrievers]
        return [reciprocal_rank_fusion(lists, self.rrf_k)[:top_k] for lists in zip(*rankings, strict=True)]
