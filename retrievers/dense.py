"""Dense retrieval: exact cosine search with FAISS over the library's vectors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import PrivateAttr

from rag.libraries import AnyLibrary
from rag.library import Library
from rag.types import ScoredPassage
from retrievers.base import BatchRetriever, ranking_of
from retrievers.encoder import Encoder


class DenseRetriever(BatchRetriever):
    """Cosine similarity of the query's and the passages' vectors.

    The index lives in memory and in ``dense-<generation>.faiss``, which is derived: when it is missing, damaged or
    of another generation, it is made again from the library.
    """

    library: Library
    encoder: Any  # retrievers.encoder.Encoder; pydantic does not validate protocols
    _index: Any = PrivateAttr(None)
    _generation: int = PrivateAttr(-1)
    _lock: Any = PrivateAttr(default_factory=Lock)

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by cosine, -1 to 1."""
        encoder: Encoder = self.encoder
        index = self._current_index()
        if index is None or not queries:
            return [[] for _ in queries]
        scores, ids = index.search(encoder.encode(queries), min(top_k, index.ntotal))
        return [
            ranking_of(self.library, [(int(i), float(s)) for i, s in zip(row_ids, row, strict=True) if i >= 0])
            for row_ids, row in zip(ids, scores, strict=True)
        ]

    def _current_index(self) -> Any:
        with self._lock:
            generation = self.library.generation
            if generation != self._generation:
                self._index, self._generation = self._load(generation)
            return self._index

    def _load(self, generation: int) -> tuple[Any, int]:
        import faiss

        file = self._file(generation)
        try:
            return faiss.read_index(str(file)), generation
        except RuntimeError:
            return self._build()

    def _build(self) -> tuple[Any, int]:
        import faiss

        ids, vectors, generation = self.library.vectors()
        if not len(ids):
            return None, generation
        index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
        index.add_with_ids(vectors, ids)
        self._save(index, generation)
        return index, generation

    def _save(self, index: Any, generation: int) -> None:
        """Replace the file atomically, and drop those of earlier generations."""
        import faiss

        target = self._file(generation)
        handle, partial = tempfile.mkstemp(prefix=".dense-", dir=self.library.folder)
        os.close(handle)
        try:
            faiss.write_index(index, partial)
            os.replace(partial, target)
        except (OSError, RuntimeError):
            # The file only saves time: a library on a full or read-only disk still answers.
            Path(partial).unlink(missing_ok=True)
            return
        for stale in self.library.folder.glob("dense-*.faiss"):
            if stale != target:
                stale.unlink(missing_ok=True)

    def _file(self, generation: int) -> Path:
        return self.library.folder / f"dense-{generation}.faiss"


def dense_retriever(library: AnyLibrary, encoder: Encoder) -> BatchRetriever:
    """The dense retriever that suits where a library is kept."""
    if isinstance(library, Library):
        return DenseRetriever(library=library, encoder=encoder)
    from rag.postgres import PostgresLibrary
    from retrievers.pgvector import PgVectorRetriever

    assert isinstance(library, PostgresLibrary), type(library)
    return PgVectorRetriever(library=library, encoder=encoder)
