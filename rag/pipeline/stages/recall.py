"""Recall and remember: passages that served similar questions before, from the question cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.core.encoding import Encoder
from rag.core.passages import ScoredPassage
from rag.core.retrieval import Trace
from rag.pipeline.state import State, update
from rag.pipeline.top_k import top_k
from retrievers.base import build_stage_ranking
from retrievers.distinct import drop_copies
from retrievers.query.length_class import length_class
from retrievers.question_cache.cache import QuestionCache


@dataclass(frozen=True)
class RecallStage:
    """Takes the ranking from the question cache where it holds enough passages; nothing is retrieved then."""

    cache: Callable[[], QuestionCache]
    encoder: Encoder
    name: str = "recall"

    def run(self, states: Sequence[State]) -> list[State]:
        """Queries with ``question_cache=True`` whose passages nobody chose."""
        return update(states, lambda state: state.query.search.question_cache and not state.has_ranking, self._recall)

    def _recall(self, states: list[State]) -> list[State]:
        depths = [top_k(state) for state in states]
        recalled = self.cache().recall([state.question for state in states], self.encoder.encode, depths)
        return [
            state if ranking is None else _with_recalled(state, drop_copies(ranking))
            for state, ranking in zip(states, recalled, strict=True)
        ]


@dataclass(frozen=True)
class RememberStage:
    """Puts retrieved passages that support an answer into the question cache."""

    cache: Callable[[], QuestionCache]
    encoder: Encoder
    name: str = "remember"

    def run(self, states: Sequence[State]) -> list[State]:
        """Changes the cache; the states stay as they are."""
        new = [state for state in states if _is_worth_remembering(state)]
        if new:
            questions = [state.question for state in new]
            vectors = self.encoder.encode(questions)
            self.cache().remember(questions, vectors, [state.ranking for state in new])
        return list(states)


def _is_worth_remembering(state: State) -> bool:
    is_retrieved = not state.is_given and not state.is_from_cache
    query = state.query
    return query.search.question_cache and query.remembers and is_retrieved and state.is_supported


def _with_recalled(state: State, ranking: tuple[ScoredPassage, ...]) -> State:
    stages = (build_stage_ranking("question_cache", ranking),)
    trace = Trace(length_class(state.question), state.rewrite.queries, is_from_cache=True, stages=stages)
    return replace(state, ranking=ranking, has_ranking=True, trace=trace)
