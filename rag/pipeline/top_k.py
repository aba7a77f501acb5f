"""How many passages a question gets."""

from __future__ import annotations

from rag.pipeline.state import State
from retrievers.query.length_class import default_top_k


def top_k(state: State) -> int:
    """The caller's number, or the one for the question's length."""
    return state.query.top_k or default_top_k(state.question)
