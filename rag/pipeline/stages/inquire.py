"""Inquire: what is asked beside the answer, so that a verdict can be given. One batch with the answer itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.conflicts.inquiry import Inquirer, Inquiry
from rag.pipeline.state import State, update_by


@dataclass(frozen=True)
class InquireStage:
    """Sets ``inquiry`` and ``voice_requests`` of questions that want a verdict and have passages."""

    inquirer: Callable[[], Inquirer]
    name: str = "inquire"

    def run(self, states: Sequence[State]) -> list[State]:
        """Questions of one tenant are prepared together."""
        return update_by(states, _tenant, self._inquire)

    def _inquire(self, cache_salt: str, states: list[State]) -> list[State]:
        passages = [[scored.passage for scored in state.kept] for state in states]
        inquiries = self.inquirer().prepare([state.question for state in states], passages, cache_salt)
        return [_with_inquiry(state, inquiry) for state, inquiry in zip(states, inquiries, strict=True)]


def _tenant(state: State) -> str | None:
    is_wanted = state.query.verdict and state.request is not None and bool(state.kept)
    return state.query.cache_salt if is_wanted else None


def _with_inquiry(state: State, inquiry: Inquiry) -> State:
    assert state.request is not None
    # The streams are compared at each token; what each would say alone, the inquiry finds out better.
    request = replace(state.request, probed=())
    return replace(state, inquiry=inquiry, voice_requests=inquiry.requests, request=request)
