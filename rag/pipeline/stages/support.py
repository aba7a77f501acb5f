"""Support: whether the passages support an answer at all, for queries that may be abstained from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.pipeline.state import State, update_by
from retrievers.judging.base import Judge
from retrievers.judging.filter import KnowledgeFilter


@dataclass(frozen=True)
class SupportStage:
    """Sets ``is_supported``: the judge's support reaches ``threshold``."""

    knowledge_filter: Callable[[str], KnowledgeFilter]
    threshold: float
    name: str = "support"

    def run(self, states: Sequence[State]) -> list[State]:
        """Queries with ``abstain=True``, in one batch for each judge."""
        return update_by(states, _judge, self._weigh)

    def _weigh(self, kind: str, states: list[State]) -> list[State]:
        judge: Judge = self.knowledge_filter(kind).judge
        support = judge.support([state.question for state in states], [state.passages for state in states])
        return [
            replace(state, is_supported=value >= self.threshold) for state, value in zip(states, support, strict=True)
        ]


def _judge(state: State) -> str | None:
    # A caller who gave no passages asks the model alone: there is nothing that could support an answer.
    is_for_model_alone = state.is_given and not state.ranking
    # A sentence that says that the documents do not say follows no schema.
    if not state.query.search.abstain or is_for_model_alone or state.query.sampling.json_schema:
        return None
    return "model" if state.query.search.filter == "model" else "encoder"
