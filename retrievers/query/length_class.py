"""How much a question asks for at once, and what retrieval gives it in return. Rules only."""

from __future__ import annotations

from typing import Literal

LengthClass = Literal["simple", "compound", "multihop"]

# Words, chosen on the even-numbered questions of three sets: those of one passage have 10 at the median, those of
# two and more 16. Clauses and named entities, counted as well, told the two apart no better.
_SIMPLE_WORDS = 10
_COMPOUND_WORDS = 14
_TOP_K: dict[LengthClass, int] = {"simple": 3, "compound": 5, "multihop": 7}
_NUM_FACETS: dict[LengthClass, int] = {"simple": 0, "compound": 2, "multihop": 5}


def length_class(question: str) -> LengthClass:
    """The class of a question, by its length.

    Source: ours; the use of a class after HyPA-RAG (Kalra et al. 2025).
    """
    num_words = len(question.split())
    if num_words <= _SIMPLE_WORDS:
        return "simple"
    return "compound" if num_words <= _COMPOUND_WORDS else "multihop"


def default_top_k(question: str) -> int:
    """Passages that a question of this length_class gets: 3, 5 or 7."""
    return _TOP_K[length_class(question)]


def default_num_facets(question: str) -> int:
    """Facet queries that a question of this length_class gets: 0, 2 or 5."""
    return _NUM_FACETS[length_class(question)]
