"""How long a question is, and how much retrieval it gets for that. Rules only."""

from __future__ import annotations

from typing import Literal

from rag.core.language import may_be_english

# Only the number of words decides. The values are those of the public field ``Answer.trace.complexity``, which clients
# read: they say what a question of this length usually asks for, not what this one was found to ask.
LengthClass = Literal["simple", "compound", "multihop"]

# Chosen on the even-numbered questions of three sets: questions about one passage have 10 words at the median, those
# about two and more have 16. Counting clauses and named entities as well separated the two no better.
_MAX_SIMPLE_WORDS = 10
_MAX_COMPOUND_WORDS = 14
_TOP_K: dict[LengthClass, int] = {"simple": 3, "compound": 5, "multihop": 7}
_NUM_FACETS: dict[LengthClass, int] = {"simple": 0, "compound": 2, "multihop": 5}


def length_class(question: str) -> LengthClass:
    """The class of a question by its number of words: up to 10 ``simple``, up to 14 ``compound``, else ``multihop``.

    The limits are those of English. A question in another language is ``compound``, the class in the middle.

    Source: ours; the use of a class after HyPA-RAG (Kalra et al. 2025).
    """
    if not may_be_english(question):
        return "compound"
    num_words = len(question.split())
    if num_words <= _MAX_SIMPLE_WORDS:
        return "simple"
    return "compound" if num_words <= _MAX_COMPOUND_WORDS else "multihop"


def default_top_k(question: str) -> int:
    """Number of passages for a question of this length: 3, 5 or 7."""
    return _TOP_K[length_class(question)]


def default_num_facets(question: str) -> int:
    """Number of facet queries for a question of this length: 0, 2 or 5."""
    return _NUM_FACETS[length_class(question)]
