"""Dense retrieval: nearest vectors by cosine, over an index that follows the library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import PrivateAttr

from rag.core.passages import ScoredPassage
from rag.library.base import Library
from rag.library.sqlite.library import SqliteLibrary
from rag.models.sentence_encoder import Encoder
from retrievers.base import BatchRetriever, build_ranking
from retrievers.dense.index_file import IndexFileError, read, save
from retrievers.dense.vector_index import VectorIndex, build, followed

INDEX_FILE = "dense.faiss"


class DenseRetriever(BatchRetriever):
    """Cosine similarity of the query's and the passages' vectors (:mod:`retrievers.dense.vector_index`).

    The index is derived. Whatever state its file is in (older, newer, of a process that was killed), it is brought to
    the library's rows by adding and removing those that differ; a file that is missing or damaged is made again.
    """

    library: SqliteLibrary
    encoder: Any  # rag.models.sentence_encoder.Encoder; pydantic does not validate protocols
    _index: VectorIndex | None = PrivateAttr(None)
    _generation: int = PrivateAttr(-1)
    _lock: Any = PrivateAttr(default_factory=Lock)

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by cosine, -1 to 1."""
        encoder: Encoder = self.encoder
        index = self.index
        if index is None or not queries:
            return [[] for _ in queries]
        hits = index.search(self.library, encoder.encode(queries), top_k)
        return [build_ranking(self.library, row) for row in hits]

    @property
    def index(self) -> VectorIndex | None:
        """The index of the library as it is now; ``None`` while the library is empty."""
        with self._lock:
            if self.library.generation != self._generation:
                self._index, self._generation = self._follow()
            return self._index

    def _follow(self) -> tuple[VectorIndex | None, int]:
        ids, generation = self.library.live_ids()
        if not len(ids):
            return None, generation
        file = self.library.folder / INDEX_FILE
        current = self._index or _on_disk(file, self.library.identity)
        index = followed(current, self.library, ids) if current else build(self.library, ids)
        if index is not current:
            save(index, file)  # it only saves time: a library on a full or read-only disk still answers
        return index, generation


def _on_disk(file: Path, library: str) -> VectorIndex | None:
    try:
        return read(file, library)
    except IndexFileError:
        return None


def dense_retriever(library: Library, encoder: Encoder) -> BatchRetriever:
    """The dense retriever that suits where a library is kept."""
    if isinstance(library, SqliteLibrary):
        return DenseRetriever(library=library, encoder=encoder)
    from rag.library.postgres.library import PostgresLibrary
    from retrievers.dense.pgvector import PgVectorRetriever

    assert isinstance(library, PostgresLibrary), type(library)
    return PgVectorRetriever(library=library, encoder=encoder)
