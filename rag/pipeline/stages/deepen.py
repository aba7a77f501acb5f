"""Deepen: further rounds, with sub-questions about the names that the passages of the round before bring in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.core.encoding import Encoder
from rag.pipeline.state import State, update
from rag.pipeline.top_k import num_candidates
from retrievers.base import build_stage_ranking
from retrievers.depth import deepen


@dataclass(frozen=True)
class DeepenStage:
    """Orders ``ranking`` again and shortens it; adds to ``trace`` and ``paths``. Nothing is done for one round."""

    encoder: Encoder
    name: str = "deepen"

    def run(self, states: Sequence[State]) -> list[State]:
        """Every question with more than one round whose passages were searched for."""
        return update(states, _is_wanted, lambda group: [self._deepen(state) for state in group])

    def _deepen(self, state: State) -> State:
        result = deepen(state.rewrite.question, state.ranking, self.encoder, state.query.search.rounds)
        ranking = result.ranking[: num_candidates(state)]
        names = {scored.passage.passage_id for scored in ranking}
        paths = tuple(path for path in (*state.paths, *result.paths) if path.passage_id in names)
        for number, hits in enumerate(result.rounds, start=2):
            state = state.with_stage(build_stage_ranking(f"round {number}", hits[: len(ranking)]))
        return replace(state, ranking=ranking, paths=paths)


def _is_wanted(state: State) -> bool:
    return state.query.search.rounds > 1 and not state.is_given and not state.is_from_cache
