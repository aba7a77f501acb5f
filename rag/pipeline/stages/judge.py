"""Judge: the verdict from what the passages and memory said, and the text that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from decoders.params import leans_on_memory
from rag.conflicts.inquiry import Inquirer
from rag.conflicts.verdict.follow import follow
from rag.pipeline.state import State, update


@dataclass(frozen=True)
class JudgeStage:
    """Sets ``verdict``, and ``text`` where the policy or the check of the answer changes it."""

    inquirer: Callable[[], Inquirer]
    name: str = "judge"

    def run(self, states: Sequence[State]) -> list[State]:
        """Every state with an inquiry that was answered."""
        return update(states, lambda state: state.inquiry is not None, lambda group: map(self._judge, group))

    def _judge(self, state: State) -> State:
        assert state.inquiry is not None
        assert state.generation is not None
        query, draft = state.query, state.generation.text
        verdict = self.inquirer().conclude(state.inquiry, state.voices, draft)
        if query.sampling.json_schema:
            return replace(state, verdict=verdict)  # another text would not follow the schema
        if query.policy == "documents" and leans_on_memory(query.decoder):
            return replace(state, verdict=verdict)  # asked for memory: documents repair nothing
        passages = {scored.passage.passage_id: scored.passage.text for scored in state.kept}
        is_cut = state.generation.finish_reason == "length"
        followed = follow(verdict, draft, state.question, passages, query.policy, query.on_silence, is_cut=is_cut)
        return replace(state, verdict=followed.verdict, text="" if followed.text == draft.strip() else followed.text)
