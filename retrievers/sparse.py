"""Sparse retrieval: BM25 by the library's full-text index, which changes in the same transactions as the passages."""

from __future__ import annotations

from collections.abc import Sequence

from rag.core.english import SEARCH_STOP_WORDS
from rag.core.passages import ScoredPassage
from rag.core.words import query_words
from rag.library.base import Library
from retrievers.base import BatchRetriever, build_ranking

# Long questions are cut: the first words say what is asked, and the cost of a query grows with its words.
_MAX_WORDS = 64


class SparseRetriever(BatchRetriever):
    """BM25 (k1 = 1.2, b = 0.75) with Porter stemming over title and text."""

    library: Library

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by BM25 (0 or more); passages without any word of the query are left out."""
        return [build_ranking(self.library, self.match(query, top_k)) for query in queries]

    def match(self, query: str, top_k: int) -> list[tuple[int, float]]:
        """Row ids and scores of the ranking, best first."""
        expression = match_expression(query)
        return self.library.match(expression, top_k) if expression else []


def match_expression(query: str) -> str:
    """The FTS5 expression for a question: any of its content words. Empty if it has no words."""
    words = query_words(query)
    content = [word for word in words if word not in SEARCH_STOP_WORDS] or words
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(content[:_MAX_WORDS]))
