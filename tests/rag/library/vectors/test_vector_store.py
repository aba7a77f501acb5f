"""A library's vectors in vector stores elsewhere: unmodified LangChain classes, one contract for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from examples import vector_stores
from rag.core.errors import LibraryError, SettingError, StorageError
from rag.engine import Engine
from rag.library.vectors import index as vector_index
from tests.conftest import HashEmbeddings

TEXTS = {
    "harbour": "The harbour master of Port Selwick is Edda Lindqvist.",
    "mill": "The tide mill of Port Selwick was built by Aron Pell in 1804.",
    "bakery": "The bakery opens at six and sells rye bread.",
    "ferry": "The ferry to the island carries 37 passengers.",
}
QUESTIONS = ["Who is the harbour master of Port Selwick?", "Who built the tide mill?", "When does the bakery open?"]


class CountingEmbeddings(HashEmbeddings):
    """Knows which texts it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        return super().embed_documents(texts)


class Elsewhere:
    """One kind of vector store, and a view of what is in it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.stores: dict[str, VectorStore] = {}
        self.is_down = False

    def make(self, embeddings: Embeddings, name: str) -> VectorStore:
        if self.is_down:
            raise ConnectionError("connection refused")
        self.stores[name] = getattr(vector_stores, self.kind)(embeddings, name)
        return self.stores[name]

    def sources(self) -> list[str]:
        """The sources of all entries."""
        (store,) = self.stores.values()
        hits = store.similarity_search_by_vector([1.0] * 256, k=100)
        return sorted(hit.metadata["source"] for hit in hits)


@pytest.fixture(params=["qdrant", "milvus"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    pytest.importorskip({"qdrant": "langchain_qdrant", "milvus": "langchain_milvus"}[request.param])
    monkeypatch.setattr(vector_stores, "FOLDER", tmp_path / "vectors")
    yield Elsewhere(request.param)
    if request.param == "qdrant":
        vector_stores.qdrant_client(tmp_path / "vectors" / "qdrant").close()


def documents(**changes: str) -> list[Document]:
    return [Document(text, metadata={"source": name}) for name, text in (TEXTS | changes).items()]


def opened(tmp_path: Path, elsewhere: Elsewhere, embeddings: Any = None) -> Engine:
    return Engine.open(tmp_path / "library", embeddings=embeddings or HashEmbeddings(), vector_store=elsewhere.make)


def ranking(engine: Engine, kind: str) -> list[list[tuple[str, str, float]]]:
    states = engine.search([engine.query(question, retrieval=kind, top_k=3) for question in QUESTIONS])
    return [[(s.passage.passage_id, s.passage.source, round(s.score, 5)) for s in state.ranking] for state in states]


@pytest.mark.parametrize("kind", ["dense", "hybrid"])
def test_it_finds_what_the_librarys_own_index_finds(tmp_path: Path, elsewhere: Elsewhere, kind: str) -> None:
    embeddings = CountingEmbeddings()
    with opened(tmp_path, elsewhere, embeddings) as engine:
        engine.add(documents())
        assert len([text for text in embeddings.texts if "rye bread" in text]) == 1  # its vector is not made again
        found = ranking(engine, kind)
    with Engine.open(tmp_path / "library", embeddings=embeddings) as engine:
        assert found == ranking(engine, kind)
    assert [hits[0][1] for hits in found] == ["harbour", "mill", "bakery"]


def test_entries_come_and_go_with_the_documents(tmp_path: Path, elsewhere: Elsewhere) -> None:
    with opened(tmp_path, elsewhere) as engine:
        engine.add(documents())
        engine.remove(["ferry"])
        assert elsewhere.sources() == ["bakery", "harbour", "mill"]
        engine.add(documents(bakery="The bakery closed last year; a tailor is there now."))
        assert elsewhere.sources() == sorted(TEXTS)
        (hits,) = engine.retrieve(["Which tailor is there now?"], top_k=1)
        assert hits[0].passage.text.startswith("The bakery closed")


def test_a_store_that_is_down_is_one_line_and_the_library_stays_whole(tmp_path: Path, elsewhere: Elsewhere) -> None:
    with opened(tmp_path, elsewhere) as engine:
        engine.add(documents())
    elsewhere.is_down = True
    with opened(tmp_path, elsewhere) as engine:
        with pytest.raises(StorageError, match="failed: ConnectionError: connection refused; the library is whole"):
            engine.retrieve(QUESTIONS)
        with pytest.raises(StorageError, match="connection refused"):
            engine.add([Document("A new lighthouse.", metadata={"source": "lighthouse"})])
        assert [document.source for document in engine.documents()] == sorted(TEXTS)
        elsewhere.is_down = False
        assert engine.retrieve(QUESTIONS)[0][0].passage.source == "harbour"


def test_what_is_interrupted_goes_on_and_is_answered_meanwhile(
    tmp_path: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "_BATCH", 2)
    with opened(tmp_path, elsewhere) as engine:
        engine.add(documents()[:1])
        (store,) = elsewhere.stores.values()
        add_documents, calls = store.add_documents, []

        def write_and_break(batch: list[Document], **options: Any) -> list[str]:
            calls.append(batch)
            if len(calls) == 2:
                raise TimeoutError("the store stopped")
            return add_documents(batch, **options)

        object.__setattr__(store, "add_documents", write_and_break)
        with pytest.raises(StorageError, match="the store stopped"):
            engine.add(documents())
        assert [hits[0].passage.source for hits in engine.retrieve(QUESTIONS)] == ["harbour", "mill", "bakery"]
        object.__setattr__(store, "add_documents", add_documents)
        engine.add(documents())  # nothing is new, but the store lacks some
        assert elsewhere.sources() == sorted(TEXTS)


def test_entries_of_others_are_refused(tmp_path: Path, elsewhere: Elsewhere) -> None:
    with opened(tmp_path, elsewhere) as engine:
        engine.add(documents())
        (store,) = elsewhere.stores.values()
        metadata = {"library": "mine", "row_id": 1, "passage_id": "x", "doc_id": "x", "source": "x", "title": "x"}
        text, name = "Who is the harbour master of Port Selwick?", "0a2d5a3c-58f5-4f0d-8b0b-3e6a3c0c9f11"
        store.add_documents([Document(text, metadata=metadata)], ids=[name])
        with pytest.raises(LibraryError, match="an entry that this library did not write"):
            engine.retrieve(QUESTIONS[:1])


def test_a_store_that_lost_everything_is_written_again(tmp_path: Path, elsewhere: Elsewhere) -> None:
    with opened(tmp_path, elsewhere) as engine:
        engine.add(documents())
        (store,) = elsewhere.stores.values()
        hits = store.similarity_search_by_vector([1.0] * 256, k=100)
        store.delete([hit.metadata["_id" if elsewhere.kind == "qdrant" else "pk"] for hit in hits])
        with pytest.raises(LibraryError, match="the vector store is empty, although 4 passages"):
            engine.retrieve(QUESTIONS)
        engine.check(is_repairing=True)
        assert elsewhere.sources() == sorted(TEXTS)
        assert engine.retrieve(QUESTIONS)[1][0].passage.source == "mill"


@pytest.mark.parametrize("name", ["nowhere:store", "rag.engine:nothing", "rag.engine"])
def test_a_setting_that_names_nothing_is_one_line(tmp_path: Path, name: str) -> None:
    with (
        Engine.open(tmp_path, embeddings=HashEmbeddings(), vector_store=None, config=_config(name)) as engine,
        pytest.raises(SettingError, match="cannot be loaded"),
    ):
        engine.add(documents())


def _config(name: str) -> Any:
    from rag.core.settings.config import Config

    return Config.load(vector_store=name)


def test_what_is_no_vector_store_is_refused(tmp_path: Path) -> None:
    def make(embeddings: Embeddings, name: str) -> Any:
        return {}

    with (
        Engine.open(tmp_path, embeddings=HashEmbeddings(), vector_store=make) as engine,
        pytest.raises(SettingError, match="vector_store gave dict; expected a LangChain VectorStore"),
    ):
        engine.add(documents())
