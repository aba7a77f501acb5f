"""How many passages a question gets."""

from __future__ import annotations

from rag.pipeline.state import State
from retrievers.query.length_class import default_top_k

_MIN_CANDIDATES = 10


def top_k(state: State) -> int:
    """The caller's number, or the one for the question's length."""
    return state.query.top_k or default_top_k(state.question)


def num_candidates(state: State) -> int:
    """Passages that the filter chooses from; it chooses among more than the answer gets."""
    depth = top_k(state)
    return depth if state.query.search.filter == "off" else max(depth, _MIN_CANDIDATES)
