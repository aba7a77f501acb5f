"""Retrieve: find the passages of every question that has none yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from langchain_core.retrievers import BaseRetriever

from rag.core.query import RetrievalKind
from rag.core.retrieval import Found, Trace
from rag.pipeline.state import State, update_by
from rag.pipeline.top_k import num_candidates
from retrievers.base import build_stage_ranking
from retrievers.depth import DepthSettings
from retrievers.distinct import find_distinct, unite_copies
from retrievers.query.length_class import length_class
from retrievers.query.rewrite import fuse_rankings


@dataclass(frozen=True)
class RetrieveStage:
    """Sets ``ranking``, ``trace`` and ``paths``. Copies of a passage count once.

    Questions with the same retriever and depth are one batch.
    """

    retriever: Callable[[RetrievalKind], BaseRetriever]
    name: str = "retrieve"

    def run(self, states: Sequence[State]) -> list[State]:
        """Every state without a ranking."""
        return update_by(states, _plan, self._retrieve)

    def _retrieve(self, plan: tuple[RetrievalKind, int], states: list[State]) -> list[State]:
        kind, depth = plan
        texts = [text for state in states for text in state.rewrite.queries]
        results = iter(find_distinct(self.retriever(kind), texts, depth))
        return [_fuse(state, [next(results) for _ in state.rewrite.queries], depth) for state in states]


def _plan(state: State) -> tuple[RetrievalKind, int] | None:
    """Retriever and depth, or nothing to do."""
    if state.has_ranking:
        return None
    depth = num_candidates(state)
    search = state.query.search
    return search.retrieval, depth if search.rounds == 1 else max(depth, DepthSettings().num_candidates)


def _fuse(state: State, results: Sequence[Found], depth: int) -> State:
    """One ranking from those of all queries of a question. Stages and paths are those of the clarified question."""
    rewrite = state.rewrite
    main = results[rewrite.queries.index(rewrite.question)]
    # The clarified question's passages stand for their copies, since the paths lead to them.
    _, *rankings = unite_copies([main.ranking, *(result.ranking for result in results)])
    ranking = tuple(fuse_rankings(rewrite, rankings, depth))
    stages = main.stages if len(results) == 1 else (*main.stages, build_stage_ranking("queries", ranking))
    trace = Trace(length_class(rewrite.question), rewrite.queries, num_retrieved=len(ranking), stages=stages)
    return replace(state, ranking=ranking, has_ranking=True, trace=trace, paths=main.paths)
