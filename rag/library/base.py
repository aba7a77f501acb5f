"""The contract of a library, wherever it is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.core.errors import LibraryError
from rag.core.passages import Passage
from rag.core.reports import DocumentInfo

Vectors = NDArray[np.float32]
RowIds = NDArray[np.int64]


@dataclass(frozen=True)
class Staged:
    """A document ready to be staged; ``vectors`` has one row per passage."""

    doc_id: str
    source: str
    title: str
    content_hash: str
    size_chars: int
    passages: Sequence[Passage]
    vectors: Vectors


class Library(ABC):
    """The contract that ``Ingestor``, ``Engine`` and the retrievers rely on; one test suite holds every kind to it.

    A base class and no ``Protocol``: pydantic checks a retriever's library by its class, and would read every
    property of a protocol to do the same. Row ids are never used twice, so a row id stands for one text and one
    vector for ever. Safe for threads of one process and for several processes.
    """

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is kept, for messages; never with credentials."""

    @abstractmethod
    def meta(self, key: str) -> str | None:
        """One of the facts about the library as a whole."""

    @property
    def generation(self) -> int:
        """Counts publications; what is derived from a library is stamped with it."""
        return int(self.meta("generation") or 0)

    @property
    def encoder(self) -> str | None:
        """Name of the encoder whose vectors the library holds; ``None`` while it is empty."""
        return self.meta("encoder")

    @property
    def identity(self) -> str:
        """Names this library among all that ever stood in its place."""
        return self.meta("identity") or ""

    @property
    def imported_at(self) -> int:
        """Generation at which extractions were last imported; 0 before that."""
        return int(self.meta("imported_at") or 0)

    @property
    @abstractmethod
    def num_passages(self) -> int:
        """Live passages."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """What it takes on disk, with everything derived from it."""

    def check_encoder(self, name: str) -> None:
        """Raise :class:`LibraryError` when the library holds vectors of another encoder than ``name``."""
        if self.encoder not in (None, name):
            raise LibraryError(
                f"the library at {self.place} was made with encoder {self.encoder!r}, not {name!r}; "
                "use that encoder, or add the documents to a new library"
            )

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; the object is of no use afterwards."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """Hold the one writer's place of this library, across processes.

        Raises:
            StorageError: another process kept it for a minute.
        """

    @abstractmethod
    def documents(self) -> list[DocumentInfo]:
        """All live documents, by source."""

    @abstractmethod
    def hashes(self, *, is_live: bool) -> dict[str, str]:
        """Content hash of every live, or every staged, document by doc_id."""

    @abstractmethod
    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The live passages with these row ids, in this order; ids that are gone are left out."""

    @abstractmethod
    def live_ids(self) -> tuple[RowIds, int]:
        """Row ids ``[N]`` of all live passages, ascending, and the generation they belong to."""

    @abstractmethod
    def vectors(self) -> tuple[RowIds, Vectors, int]:
        """Row ids ``[N]`` and vectors ``[N, D]`` of all live passages, and the generation they belong to."""

    @abstractmethod
    def vectors_of(self, ids: Iterable[int]) -> tuple[RowIds, Vectors]:
        """Row ids ``[N]``, ascending, and vectors ``[N, D]`` of those live passages among ``ids``."""

    @abstractmethod
    def rows_of(self, passage_ids: Sequence[str]) -> dict[str, tuple[int, Vectors]]:
        """Row id and vector ``[D]`` of live passages by passage_id; those that are gone are left out."""

    @abstractmethod
    def match(self, expression: str, top_k: int) -> list[tuple[int, float]]:
        """Best ``top_k`` passages for quoted words joined by OR: row ids and BM25 scores, higher is better."""

    @abstractmethod
    def extractions(self, extractor: str, ids: Sequence[int]) -> dict[int, bytes]:
        """What :meth:`keep_extractions` kept for these live passages, by row id; the others are left out."""

    @abstractmethod
    def keep_extractions(self, extractor: str, bodies: Mapping[int, bytes], *, is_import: bool = False) -> None:
        """Keep what an extractor read from passages, under its fingerprint; replaces what it read before.

        It belongs to the passages' content: it goes with the last passage that has this content, and comes to those
        that have the same. ``is_import``: it is news to whoever has read the library, so a new generation begins.
        """

    @abstractmethod
    def stage(self, documents: Sequence[Staged]) -> None:
        """Keep documents without making them visible; replaces what was staged under their ids."""

    @abstractmethod
    def publish(self, doc_ids: Sequence[str], encoder: str) -> None:
        """Make the staged documents visible in one transaction; other staged documents are dropped."""

    @abstractmethod
    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that came from them, in one transaction."""

    @abstractmethod
    def discard_staged(self) -> None:
        """Drop staged documents (made with another encoder, say)."""


def documents_named(library: Library, names: Iterable[str | Path]) -> dict[str, DocumentInfo]:
    """Documents by doc_id that fit one of ``names``: a doc_id, a source, or a folder above it.

    Raises:
        LibraryError: a name that fits no document.
    """
    documents = library.documents()
    chosen: dict[str, DocumentInfo] = {}
    for name in map(str, names):
        matches = [document for document in documents if _is_named(document, name)]
        if not matches:
            raise LibraryError(f"no document {name!r} in {library.place}; 'concord ls' lists them")
        chosen |= {document.doc_id: document for document in matches}
    return chosen


def _is_named(document: DocumentInfo, name: str) -> bool:
    path = str(Path(name).expanduser().resolve())
    above = [str(parent) for parent in Path(document.source).parents]
    return name in (document.doc_id, document.source) or path in (document.source, *above)
