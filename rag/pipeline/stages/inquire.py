"""Inquire: what is asked beside the answer, so that a verdict can be given. One batch with the answer itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.conflicts.inquiry import Inquirer, Inquiry
from rag.core.verdict import ReadBy
from rag.generation.request import ActiveSkill
from rag.pipeline.state import State, update_by


@dataclass(frozen=True)
class InquireStage:
    """Sets ``inquiry`` and ``voice_requests`` of questions that want a verdict and have passages."""

    inquirer: Callable[[], Inquirer]
    name: str = "inquire"

    def run(self, states: Sequence[State]) -> list[State]:
        """Questions of one tenant with one skill are prepared together."""
        return update_by(states, _group, self._inquire)

    def _inquire(self, group: tuple[str, ActiveSkill | None, ReadBy], states: list[State]) -> list[State]:
        passages = [[scored.passage for scored in state.kept] for state in states]
        # What is kept is the beginning of what is readable.
        excerpts = [state.shown[: len(state.kept)] for state in states]
        questions = [state.question for state in states]
        inquiries = self.inquirer().prepare(questions, passages, *group, excerpts=excerpts)
        return [_with_inquiry(state, inquiry) for state, inquiry in zip(states, inquiries, strict=True)]


def _group(state: State) -> tuple[str, ActiveSkill | None, ReadBy] | None:
    """The tenant, the skill, and what reads each passage alone; ``None`` where nothing is asked."""
    query = state.query
    if not query.verdict or state.request is None or not state.kept:
        return None
    return query.cache_salt, state.skill, query.read_by


def _with_inquiry(state: State, inquiry: Inquiry) -> State:
    assert state.request is not None
    # The streams are compared at each token; what each would say alone, the inquiry finds out better.
    request = replace(state.request, probed=())
    return replace(state, inquiry=inquiry, voice_requests=inquiry.requests, request=request)
