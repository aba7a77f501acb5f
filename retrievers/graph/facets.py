"""Split a question into clauses, by rules: the hops of a multi-hop question are often its clauses."""

from __future__ import annotations

import re

from rag.core.language import may_be_english

# Long questions are cut: the first words say what is asked.
_MAX_WORDS = 64
_MAX_PARTS = 3
_MIN_WORDS = 3
_MAX_FACETS = 16
_BOUNDARY = re.compile(
    r",\s+|\s+(?=(?:that|which|who|whose|whom|where|when|and|in|by|after|before|from|with)\b)|(?<=\bof)\s+(?=(?:the|a)\b)",
    re.IGNORECASE,
)


def facets(question: str) -> tuple[str, ...]:
    """The question, then its clauses and runs of up to three of them, without repetitions.

    At most 16; the shortest are left out. A question that is not English is not split. Source: ours.
    """
    words = question.split()
    whole = " ".join(words[:_MAX_WORDS]).rstrip(" ?")
    if not may_be_english(question):
        return (question if len(words) <= _MAX_WORDS else whole,)
    parts = [part for part in _BOUNDARY.split(whole) if part.strip()]
    runs = {
        " ".join(parts[first : first + length])
        for length in range(1, _MAX_PARTS + 1)
        for first in range(len(parts) - length + 1)
    }
    clauses = sorted(
        (run for run in runs - {whole} if len(run.split()) >= _MIN_WORDS), key=lambda run: (-len(run), run)
    )
    return (question if len(words) <= _MAX_WORDS else whole, *clauses)[:_MAX_FACETS]
