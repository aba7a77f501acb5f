"""Compress: choose the sentences of the passages that a model reads; answer and citations keep the whole passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.conflicts.reading.excerpts import cut_excerpts
from rag.core.encoding import Encoder
from rag.pipeline.state import State, update


@dataclass(frozen=True)
class CompressStage:
    """Sets ``excerpts`` of questions whose ``compress`` is below 1."""

    encoder: Encoder
    name: str = "compress"

    def run(self, states: Sequence[State]) -> list[State]:
        """Every such question that has something to read; one call of the encoder for all."""
        return update(states, _is_wanted, self._compress)

    def _compress(self, states: list[State]) -> list[State]:
        passages = [[scored.passage for scored in state.readable] for state in states]
        shares = [state.query.compress for state in states]
        excerpts = cut_excerpts([state.question for state in states], passages, shares, self.encoder)
        return [replace(state, excerpts=row) for state, row in zip(states, excerpts, strict=True)]


def _is_wanted(state: State) -> bool:
    return state.query.compress < 1 and state.is_supported and bool(state.readable)
