"""The contract of a library, wherever it is kept.

Longer than other modules: it is the whole contract, with the docstrings that define it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.core.encoding import Encoder, Vectors
from rag.core.errors import LibraryError
from rag.core.passages import Passage
from rag.core.reports import DocumentInfo
from rag.library.checking import Finding, IsReadable
from rag.library.patch_files import PatchFiles
from rag.library.question_store import QuestionStore
from rag.library.report_store import ReportStore

RowIds = NDArray[np.int64]


@dataclass(frozen=True)
class Staged:
    """A document ready to be staged; ``vectors`` has one row per passage, ``date`` is ISO 8601 or empty."""

    doc_id: str
    source: str
    title: str
    content_hash: str
    size_chars: int
    passages: Sequence[Passage]
    vectors: Vectors
    date: str = ""


class DenseIndex(Protocol):
    """Nearest passages by their vectors; follows the library by itself."""

    def search(self, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each of ``queries`` ``[Q, D]`` at most ``top_k`` (row id, cosine) pairs, best first, ties by row id."""
        ...


class Library(ABC):
    """The contract that all other rooms rely on; one test suite holds every kind to it.

    A base class and no ``Protocol``: pydantic checks a retriever's library by its class, and would read every
    property of a protocol to do the same. A row id is never used twice: it stands for one text and one vector, so
    what is derived from a library follows it by dropping ids that are gone and adding new ones. Safe for threads of
    one process and for several processes.
    """

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is kept, for messages; never with credentials."""

    @property
    @abstractmethod
    def folder(self) -> Path | None:
        """Where files beside the library may be kept; ``None`` when it is not in a folder."""

    @abstractmethod
    def opener(self) -> Callable[[], Library]:
        """Opens this library in another process. It can be pickled, and then holds the credentials of the address."""

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
    def probe(self) -> Vectors | None:
        """The vector ``[D]`` by which the encoder is known (:mod:`rag.library.encoder`); ``None`` in old libraries."""
        text = self.meta("encoder_probe")
        return None if text is None else np.frombuffer(b64decode(text), dtype=np.float32)

    @property
    def identity(self) -> str:
        """Names this library among all that were ever kept in its place."""
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
        """Compare an encoder's name with that of the encoder whose vectors the library holds.

        Raises:
            LibraryError: they differ.
        """
        if self.encoder in (None, name):
            return
        # Versions that kept no probe named a foreign encoder by its class alone.
        if self.probe is None and self.encoder == name.partition("(")[0]:
            return
        raise LibraryError(
            f"the library at {self.place} was made with encoder {self.encoder!r}, not {name!r}; "
            "use that encoder, or add the documents to a new library"
        )

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; the object is of no use afterwards."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """Be the one writer of this library, across processes.

        A writer that loses its place meanwhile (its connection was cut) can change nothing any more: its methods
        raise :class:`StorageError`.

        Raises:
            StorageError: another process is writing, and was still at it after a minute.
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
    def document_passages(self, doc_id: str) -> list[Passage]:
        """The passages of one live document, in order; empty when there is none."""

    @abstractmethod
    def live_ids(self) -> tuple[RowIds, int]:
        """Row ids ``[N]`` of all live passages, ascending, and the generation they belong to."""

    @abstractmethod
    def vectors(self) -> tuple[RowIds, Vectors, int]:
        """Row ids ``[N]`` and vectors ``[N, D]`` of all live passages, and the generation they belong to."""

    @abstractmethod
    def vectors_by_id(self, ids: Iterable[int]) -> tuple[RowIds, Vectors]:
        """Row ids ``[N]``, ascending, and vectors ``[N, D]`` of those live passages among ``ids``."""

    @abstractmethod
    def rows_by_passage_id(self, passage_ids: Sequence[str]) -> dict[str, tuple[int, Vectors]]:
        """Row id and vector ``[D]`` of live passages by passage_id; ids that are gone or foreign are left out."""

    @abstractmethod
    def match(self, expression: str, top_k: int) -> list[tuple[int, float]]:
        """Best ``top_k`` passages: row ids and BM25 scores, higher is better.

        ``expression``: quoted words, as :func:`rag.core.words.query_words` gives them, joined by OR.
        """

    @abstractmethod
    def dense_index(self) -> DenseIndex:
        """The index over the library's vectors; the same object at every call."""

    @abstractmethod
    def question_store(self) -> QuestionStore:
        """The store of questions and the passages that served them; the caller closes it.

        Raises:
            StorageError: it cannot be made.
        """

    @abstractmethod
    def patch_files(self) -> PatchFiles:
        """The store of the patches' bytes; the same object at every call.

        Raises:
            StorageError: it cannot be made.
        """

    @abstractmethod
    def report_store(self) -> ReportStore:
        """What was found out about the library as a whole.

        Raises:
            StorageError: the server is out of reach.
        """

    @abstractmethod
    def extractions(self, extractor: str, ids: Sequence[int]) -> dict[int, bytes]:
        """What :meth:`keep_extractions` kept for these live passages, by row id; the others are left out."""

    @abstractmethod
    def keep_extractions(self, extractor: str, bodies: Mapping[int, bytes], *, is_import: bool = False) -> None:
        """Keep what an extractor read from passages, under its fingerprint; replaces what it read before.

        It belongs to the passages' content: it is shared by all passages with this content, and goes with the last.
        ``is_import``: readers must learn of it, so a new generation begins.
        """

    @abstractmethod
    def keep_probe(self, probe: Vectors) -> None:
        """Keep the vector ``[D]`` by which the encoder is known; replaces a former one."""

    @abstractmethod
    def stage(self, documents: Sequence[Staged]) -> None:
        """Keep documents without making them visible; replaces what was staged under their ids."""

    @abstractmethod
    def publish(self, doc_ids: Sequence[str], encoder: str) -> None:
        """Make the staged documents visible in one transaction; other staged documents are dropped.

        Raises:
            StorageError: some of them are not staged any more, since another process wrote; nothing is changed.
        """

    @abstractmethod
    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that came from them, in one transaction."""

    @abstractmethod
    def discard_staged(self) -> None:
        """Drop all staged documents."""

    @abstractmethod
    def check(self, encoder: Encoder, is_readable: IsReadable, *, is_repairing: bool) -> list[Finding]:
        """Check every part, texts first, since the others are made from them.

        Args:
            encoder: makes new vectors; it must be the library's.
            is_readable: whether an extraction can be read for a passage's text.
            is_repairing: repair what can be repaired; otherwise nothing is changed.

        Raises:
            StorageError: another process is writing, the disk is full, or the server is out of reach.
        """
