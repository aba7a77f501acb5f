"""Whether an encoder is the library's: by name, and by the vector of a fixed text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from rag.core.encoding import Vectors
from rag.core.errors import LibraryError
from rag.engine import Engine
from rag.library.encoder import is_same_vector
from rag.library.open import open_library
from rag.models.sentence_encoder import EmbeddingsEncoder, embeddings_name
from tests.conftest import HashEmbeddings

NOTE = Document(page_content="The tide mill grinds corn.", metadata={"source": "note"})
OTHER = Document(page_content="The harbour master sleeps.", metadata={"source": "other"})


class Shifted(HashEmbeddings):
    """Another model of the same class name and vector length."""

    def embed_query(self, text: str) -> list[float]:
        return list(np.roll(super().embed_query(text), 7))


Shifted.__name__ = "HashEmbeddings"


class Named(HashEmbeddings):
    def __init__(self, model: str) -> None:
        self.model = model


class Noisy(HashEmbeddings):
    """The same model at half precision."""

    def embed_query(self, text: str) -> list[float]:
        return [float(x) for x in np.asarray(super().embed_query(text), dtype=np.float16) * np.float16(0.3337)]


@pytest.fixture
def library(place: str) -> str:
    with Engine.open(place, embeddings=HashEmbeddings()) as engine:
        engine.add(NOTE)
    return place


@pytest.mark.parametrize("retrieval", ["dense", "graph", "hybrid"])
def test_another_model_of_the_same_name_is_refused(library: str, retrieval: Any) -> None:
    with Engine.open(library, embeddings=Shifted(), retrieval=retrieval) as engine:
        with pytest.raises(LibraryError, match="made with another model"):
            engine.retrieve(["tide"])
        with pytest.raises(LibraryError, match="made with another model"):
            engine.add(OTHER)
        assert len(engine.documents()) == 1
    with Engine.open(library, embeddings=HashEmbeddings(), retrieval=retrieval) as engine:
        assert engine.retrieve(["tide"])[0]


def test_the_same_model_is_known_whatever_its_precision(library: str) -> None:
    Noisy.__name__ = "HashEmbeddings"
    with Engine.open(library, embeddings=Noisy()) as engine:
        assert engine.add(OTHER).added
        assert engine.retrieve(["tide"])[0]


def test_a_search_by_words_loads_no_encoder(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HashEmbeddings, "embed_documents", lambda *_: pytest.fail("it encodes"))
    with Engine.open(library, embeddings=HashEmbeddings(), retrieval="sparse") as engine:
        assert engine.retrieve(["tide"])[0]
        assert engine.add(NOTE).unchanged


def test_a_model_is_named_by_its_attributes(place: str) -> None:
    assert embeddings_name(HashEmbeddings()) == "HashEmbeddings"
    assert embeddings_name(Named("small")) == "Named(small)"
    with Engine.open(place, embeddings=Named("small")) as engine:
        engine.add(NOTE)
    with (
        Engine.open(place, embeddings=Named("large")) as engine,
        pytest.raises(LibraryError, match=r"encoder 'Named\(small\)', not 'Named\(large\)'"),
    ):
        engine.retrieve(["tide"])


def forget_probe(place: str, encoder: str) -> None:
    """Leave a library as versions before the probe did."""
    library = open_library(place)
    database = library.database  # type: ignore[attr-defined]
    begin = database.writing if library.folder else database.transaction
    with begin() as db:
        db.execute("DELETE FROM meta WHERE key = 'encoder_probe'")
        db.execute(f"UPDATE meta SET value = '{encoder}' WHERE key = 'encoder'")
    library.close()


def test_an_old_library_is_upgraded_by_the_next_add(place: str) -> None:
    with Engine.open(place, embeddings=Named("small")) as engine:
        engine.add(NOTE)
    forget_probe(place, "Named")
    with Engine.open(place, embeddings=Named("small")) as engine:
        assert engine.retrieve(["tide"])[0]
        engine.add(OTHER)
        assert engine.library.encoder == "Named(small)"
        assert engine.library.probe is not None


def test_an_old_library_refuses_another_model(library: str) -> None:
    """There is no probe yet: one of its passages stands in."""
    forget_probe(library, "HashEmbeddings")
    with Engine.open(library, embeddings=Shifted()) as engine, pytest.raises(LibraryError, match="another model"):
        engine.add(OTHER)


def test_what_another_model_staged_is_not_taken_over(place: str) -> None:
    """An add was interrupted before it published anything; the next one uses another model of the same name."""
    with Engine.open(place, embeddings=Shifted(), chunk_tokens=16, chunk_overlap_tokens=0) as engine:

        def interrupted() -> Iterator[Document]:
            yield Document(page_content="word " * 20_000, metadata={"source": "long"})  # enough to be staged
            yield NOTE
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            engine.add(interrupted())
    with Engine.open(place, embeddings=HashEmbeddings(), chunk_tokens=16, chunk_overlap_tokens=0) as engine:
        report = engine.add([NOTE])
        assert (report.num_passages, report.cost.num_resumed) == (1, 0)
        assert engine.retrieve(["The tide mill grinds corn."])[0][0].score > 0


def test_an_emptied_library_takes_any_model(library: str) -> None:
    with Engine.open(library, embeddings=HashEmbeddings()) as engine:
        engine.remove(["note"])
    with Engine.open(library, embeddings=Shifted()) as engine:
        engine.add(OTHER)
        assert engine.retrieve(["harbour"])[0]


def test_vectors_are_compared_by_their_angle() -> None:
    def vector(*values: float) -> Vectors:
        return np.array(values, dtype=np.float32)

    assert is_same_vector(vector(1, 0), vector(3, 0.1))
    assert not is_same_vector(vector(1, 0), vector(1, 0.06))
    assert not is_same_vector(vector(1, 0), vector(1, 0, 0))
    assert not is_same_vector(vector(1, 0), vector(float("nan"), 0))


def test_the_encoder_is_asked_for_its_probe_once(place: str) -> None:
    calls: list[list[str]] = []

    class Counting(HashEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            calls.append(texts)
            return super().embed_documents(texts)

    with Engine.open(place, embeddings=Counting()) as engine:
        engine.add([NOTE, OTHER])
        calls.clear()
    with Engine.open(place, embeddings=Counting(), retrieval="dense") as engine:
        for question in ("tide", "harbour", "tide"):
            engine.retrieve([question])
    assert [len(texts) for texts in calls] == [1, 1, 1]  # the probe and two questions


def test_a_given_name_is_kept(tmp_path: Path) -> None:
    assert EmbeddingsEncoder(HashEmbeddings(), "mine").name == "mine"
