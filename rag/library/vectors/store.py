"""A LangChain vector store that holds a library's vectors, seen as passages with row ids.

Every entry has the library's name and its passage's row id in the metadata, so an entry that somebody else wrote is
noticed. Foreign code may raise anything: here it becomes one error of this engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from threading import Lock
from typing import cast
from uuid import NAMESPACE_URL, uuid5

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from rag.core.encoding import Encoder, Vectors, passage_text
from rag.core.errors import ConcordError, LibraryError, SettingError, StorageError
from rag.core.passages import Passage

MakeStore = Callable[[Embeddings, str], VectorStore]
"""Makes the vector store of one library, from the embeddings to use and a name that no other library has."""


def load_make_store(name: str) -> MakeStore:
    """The function that the setting ``vector_store`` names, as ``module:function``.

    Raises:
        SettingError: there is none.
    """
    module, _, function = name.partition(":")
    try:
        make = getattr(import_module(module), function)
    # Foreign code runs when it is imported.
    except Exception as error:
        raise SettingError(
            f"vector_store={name!r} cannot be loaded ({type(error).__name__}: {error}); expected 'module:function', "
            "a function of embeddings and a name that gives a LangChain VectorStore"
        ) from error
    if not callable(make):
        raise SettingError(f"vector_store={name!r} is {type(make).__name__}; expected a function")
    return cast(MakeStore, make)


class PassageEmbeddings(Embeddings):
    """The library's encoder as LangChain's ``Embeddings``; vectors that the library has are not made again."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.known: Mapping[str, Vectors] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        vectors = {**self.known, **dict(zip(new, self._encoder.encode(new), strict=True))} if new else self.known
        return [[float(x) for x in vectors[text]] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self.embed_documents([text])[0]


class PassageStore:
    """The entries of one library in a vector store. Threads may share it; they take turns."""

    def __init__(self, make: MakeStore, encoder: Encoder, identity: str) -> None:
        self._make, self._identity = make, identity
        self._embeddings = PassageEmbeddings(encoder)
        self._store: VectorStore | None = None
        self._lock = Lock()

    @property
    def kind(self) -> str:
        """Name of the store's class; makes the store.

        Raises:
            StorageError: it is out of reach.
        """
        with self._reached():
            return type(self._opened()).__name__

    def nearest(self, query: Vectors, top_k: int) -> list[int]:
        """Row ids of the entries nearest to a vector ``[D]``.

        Raises:
            StorageError: the store is out of reach.
            LibraryError: it has an entry that this library did not write.
        """
        with self._reached():
            hits = self._opened().similarity_search_by_vector([float(x) for x in query], k=top_k)
        return [self._row_id(hit) for hit in hits]

    def add(self, rows: Mapping[int, Passage], vectors: Mapping[int, Vectors]) -> None:
        """Write passages and their vectors, by row id."""
        texts = {row_id: passage_text(p.title, p.text, p.heading) for row_id, p in rows.items()}
        documents = [Document(texts[row_id], metadata=self._metadata(row_id, p)) for row_id, p in rows.items()]
        with self._reached():
            self._embeddings.known = {texts[row_id]: vectors[row_id] for row_id in rows}
            try:
                self._opened().add_documents(documents, ids=list(map(self._name, rows)))
            finally:
                self._embeddings.known = {}

    def delete(self, row_ids: Sequence[int]) -> None:
        """Remove entries; those that are not there are no error."""
        with self._reached():
            if self._opened().delete(list(map(self._name, row_ids))) is False:
                raise RuntimeError("it did not delete")

    def _opened(self) -> VectorStore:
        if self._store is None:
            name = f"concord_{sha256(self._identity.encode()).hexdigest()[:16]}"
            store = self._make(self._embeddings, name)
            if not isinstance(store, VectorStore):
                raise SettingError(
                    f"vector_store gave {type(store).__name__}; expected a LangChain VectorStore over the embeddings "
                    "and the name that it is called with"
                )
            self._store = store
        return self._store

    def _name(self, row_id: int) -> str:
        """A UUID, which every store takes as an id."""
        return str(uuid5(NAMESPACE_URL, f"{self._identity}/{row_id}"))

    def _metadata(self, row_id: int, passage: Passage) -> dict[str, str | int]:
        return {
            "library": self._identity,
            "row_id": row_id,
            "passage_id": passage.passage_id,
            "doc_id": passage.doc_id,
            "source": passage.source,
            "title": passage.title,
        }

    def _row_id(self, hit: Document) -> int:
        row_id = hit.metadata.get("row_id")
        if hit.metadata.get("library") != self._identity or not isinstance(row_id, int):
            raise LibraryError(
                f"the vector store ({type(self._store).__name__}) has an entry that this library did not write "
                f"({hit.page_content[:40]!r}); give the library a collection of its own, or ask that store alone with "
                "retriever=store.as_retriever()"
            )
        return row_id

    @contextmanager
    def _reached(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except ConcordError:
                raise
            # Every store raises its own kinds when it is down, has other vectors, or is full.
            except Exception as error:
                kind = type(self._store).__name__ if self._store is not None else "not made yet"
                reason = (str(error).strip().splitlines() or [""])[0][:200]
                raise StorageError(
                    f"the vector store ({kind}) failed: {type(error).__name__}: {reason}; the library is whole. Try "
                    "again when the store is up: what it lacks is written by the next add"
                ) from error
