"""The dense index of a library in a folder: FAISS in memory, and a file beside the library that saves building it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock

from rag.core.encoding import Vectors
from rag.library.base import Library
from rag.library.sqlite.index_build import build_index, update_index
from rag.library.sqlite.index_file import IndexFileError, read_index, save_index
from rag.library.sqlite.vector_index import VectorIndex


class FaissIndex:
    """Nearest passages by FAISS (:mod:`rag.library.sqlite.vector_index`); threads may share it.

    The index is derived. Whatever state its file is in (older, newer, of a process that was killed), it is brought to
    the library's rows by adding and removing those that differ. A file that is missing or damaged is made again.
    """

    def __init__(self, library: Library, file: Path) -> None:
        self._library = library
        self._file = file
        self._index: VectorIndex | None = None
        self._generation = -1
        self._lock = Lock()

    def search(self, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each of ``queries`` ``[Q, D]`` at most ``top_k`` (row id, cosine) pairs, best first, ties by row id."""
        index = self.follow()
        return index.search(self._library, queries, top_k) if index else [[] for _ in queries]

    def candidates(self, queries: Vectors, top_k: int) -> list[list[int]]:
        """Row ids of about the same passages, by their codes alone."""
        index = self.follow()
        return index.candidates(queries, top_k) if index else [[] for _ in queries]

    @property
    def current(self) -> VectorIndex | None:
        """The index of the library as it is now; ``None`` while the library is empty."""
        return self.follow()

    def follow(self) -> VectorIndex | None:
        """Bring the index up to date, and return it."""
        with self._lock:
            if self._library.generation != self._generation:
                self._index, self._generation = self._follow()
            return self._index

    def _follow(self) -> tuple[VectorIndex | None, int]:
        former, generation = self._index or self._on_disk(), self._library.generation
        if former is not None and former.info.generation == generation:
            return former, generation  # the ids of the whole library need not be read
        ids, generation = self._library.live_ids()
        if not len(ids):
            return None, generation
        index = update_index(former, self._library, ids) if former else build_index(self._library, ids)
        index = replace(index, info=replace(index.info, generation=generation))
        save_index(index, self._file)  # it only saves time: a library on a full or read-only disk still answers
        return index, generation

    def _on_disk(self) -> VectorIndex | None:
        try:
            return read_index(self._file, self._library.identity)
        except IndexFileError:
            return None
