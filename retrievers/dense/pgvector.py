"""Dense retrieval in the database: pgvector over a library in PostgreSQL. No index is held in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.core.passages import ScoredPassage
from rag.library.postgres.library import PostgresLibrary
from rag.models.sentence_encoder import Encoder
from retrievers.base import BatchRetriever, build_ranking


class PgVectorRetriever(BatchRetriever):
    """Cosine similarity of the query's and the passages' vectors: exact for small libraries, HNSW for large ones."""

    library: PostgresLibrary
    encoder: Any  # rag.models.sentence_encoder.Encoder; pydantic does not validate protocols

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by cosine, -1 to 1."""
        if not queries:
            return []
        encoder: Encoder = self.encoder
        return [build_ranking(self.library, hits) for hits in self.library.nearest(encoder.encode(queries), top_k)]
