"""Rewrite: word what is searched for. A follow-up gets the name that it refers to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.pipeline.state import State, update_by
from retrievers.query.rewrite import ModelRewriter, by_rules


@dataclass(frozen=True)
class RewriteStage:
    """Sets ``rewrite``. ``rewriter`` loads the generator; it is called for ``rewrite="model"`` only."""

    rewriter: Callable[[], ModelRewriter]
    name: str = "rewrite"

    def run(self, states: Sequence[State]) -> list[State]:
        """Every query whose setting is not ``off``, in one batch for each kind."""
        return update_by(states, _kind, self._rewrite)

    def _rewrite(self, kind: str, states: list[State]) -> list[State]:
        queries = [state.query for state in states]
        rewrites = self.rewriter().rewrite(queries) if kind == "model" else map(by_rules, queries)
        return [replace(state, rewrite=rewrite) for state, rewrite in zip(states, rewrites, strict=True)]


def _kind(state: State) -> str | None:
    return None if state.query.search.rewrite == "off" else state.query.search.rewrite
