"""Sparse retrieval: BM25 by the library's full-text index, which changes in the same transactions as the passages."""

from __future__ import annotations

from collections.abc import Sequence

from rag.core.passages import ScoredPassage
from rag.core.words import query_words
from rag.library.base import Library
from retrievers.base import BatchRetriever, build_ranking

# Words that say nothing about the subject of an English question; searching their long postings only costs time.
# Shorter than kg.names.FUNCTION_WORDS, since "first", "two" or "without" help BM25; another list changes every score.
_STOP_WORDS = frozenset(
    """
    a about after all also am an and any are as at be been before being between both but by can could did do does
    during each for from had has have he her hers him his how i if in into is it its just many me more most much
    my no not of on one only or other our out over own same she should so some such than that the their them then
    there these they this those through to too under until up us very was we were what when where which while who
    whom whose why will with would you your
    """.split()  # noqa: SIM905 - as a list literal it fills two screens
)
# Long questions are cut: the first words say what is asked, and the cost of a query grows with its words.
_MAX_WORDS = 64


class SparseRetriever(BatchRetriever):
    """BM25 (k1 = 1.2, b = 0.75) with Porter stemming over title and text."""

    library: Library

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by BM25 (0 or more); passages without any word of the query are left out."""
        return [self._search(query, top_k) for query in queries]

    def _search(self, query: str, top_k: int) -> list[ScoredPassage]:
        expression = match_expression(query)
        if not expression:
            return []
        return build_ranking(self.library, self.library.match(expression, top_k))


def match_expression(query: str) -> str:
    """The FTS5 expression for a question: any of its content words. Empty if it has no words."""
    words = query_words(query)
    content = [word for word in words if word not in _STOP_WORDS] or words
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(content[:_MAX_WORDS]))
