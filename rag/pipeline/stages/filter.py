"""Filter: drop the passages that a judge finds of no help, then keep as many as the question gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.core.retrieval import StageRanking
from rag.pipeline.state import State, update, update_by
from rag.pipeline.top_k import top_k
from retrievers.judging.filter import KnowledgeFilter


@dataclass(frozen=True)
class FilterStage:
    """Shortens ``ranking``. ``knowledge_filter`` makes the filter of one judge, ``encoder`` or ``model``."""

    knowledge_filter: Callable[[str], KnowledgeFilter]
    name: str = "filter"

    def run(self, states: Sequence[State]) -> list[State]:
        """The filter reads all candidates; the best ``top_k`` of what it keeps stay, unless the caller chose them."""
        return update(
            update_by(states, _judge, self._filter), lambda state: not state.is_given, lambda group: map(_cut, group)
        )

    def _filter(self, judge: str, states: list[State]) -> list[State]:
        judged = self.knowledge_filter(judge).filter(
            [state.question for state in states], [state.ranking for state in states]
        )
        result = []
        for state, (kept, verdicts) in zip(states, judged, strict=True):
            names = [passage.passage_id for passage in state.passages]
            stage = StageRanking("filter", tuple(zip(names, (v.entail for v in verdicts), strict=True)))
            result.append(replace(state, ranking=tuple(kept)).with_stage(stage))
        return result


def _judge(state: State) -> str | None:
    """Who judges; nobody where the setting is ``off`` or the ranking was filtered before it was remembered."""
    kind = state.query.search.filter
    return None if kind == "off" or state.is_from_cache else kind


def _cut(state: State) -> State:
    ranking = state.ranking[: top_k(state)]
    names = {scored.passage.passage_id for scored in ranking}
    return replace(state, ranking=ranking, paths=tuple(path for path in state.paths if path.passage_id in names))
