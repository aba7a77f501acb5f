"""Dense retrieval: the library's passages nearest to a query by the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.core.encoding import Encoder
from rag.core.passages import ScoredPassage
from rag.library.base import Library
from retrievers.base import BatchRetriever, build_ranking


class DenseRetriever(BatchRetriever):
    """An encoder and the library's dense index, or another of its vectors, which follows the library by itself."""

    library: Library
    encoder: Any  # rag.core.encoding.Encoder; pydantic does not validate protocols
    dense: Any = None  # rag.library.base.DenseIndex; by default the library's

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by cosine, -1 to 1."""
        if not queries or not self.library.num_passages:
            return [[] for _ in queries]
        encoder: Encoder = self.encoder
        hits = (self.dense or self.library.dense_index()).search(encoder.encode(queries), top_k)
        return [build_ranking(self.library, row) for row in hits]
