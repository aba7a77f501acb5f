"""Patch: choose the LoRA patches of a question and put them on the context stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from decoders.streams import CONTEXT
from rag.generation.adapters.adapter import add_adapters
from rag.generation.base import Request
from rag.patches.base import Patcher, Patching
from rag.pipeline.state import State, update


@dataclass(frozen=True)
class PatchStage:
    """Sets ``patching`` where nobody did, and the request's adapter."""

    patcher: Callable[[], Patcher]
    name: str = "patch"

    def run(self, states: Sequence[State]) -> list[State]:
        """Queries that ask for patches, and states that came with them."""
        return update(states, _is_patched, lambda group: map(self._patch, group))

    def _patch(self, state: State) -> State:
        patching = state.patching or self.patcher().patch(state.query, state.ranking)
        return replace(state, patching=patching, request=_with_adapter(state, patching))


def _is_patched(state: State) -> bool:
    return state.request is not None and (state.patching is not None or state.query.patches != "off")


def _with_adapter(state: State, patching: Patching) -> Request:
    # The parametric stream stays the base model: memory is the model's own.
    assert state.request is not None
    adapter = add_adapters([state.skill.adapter if state.skill else None, patching.adapter])
    return state.request.with_adapter(CONTEXT, adapter)
