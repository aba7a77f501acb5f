"""LangChain documents of one source are parts of one document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from rag.core.passages import document_location
from rag.engine import Engine
from rag.ingest.gather import gather
from rag.ingest.parts import PartStore, read_parts, source_from_parts
from rag.ingest.source import Part


def pages(num_pages: int) -> list[Document]:
    """As PyPDFLoader gives them."""
    return [
        Document(f"Lock {number} was built in {1900 + number}.", metadata={"source": "locks.pdf", "page": number})
        for number in range(num_pages)
    ]


def library_texts(engine: Engine, source: str) -> list[str]:
    [doc_id] = [document.doc_id for document in engine.documents() if document.source == source]
    return [passage.text for passage in engine.library.document_passages(doc_id)]


def test_all_pages_are_in_one_document(tmp_path: Path, embeddings: Any) -> None:
    with Engine.open(tmp_path / "library", embeddings=embeddings) as engine:
        report = engine.add(pages(5))
        assert list(report.added) == ["locks.pdf"]
        assert library_texts(engine, "locks.pdf") == [f"Lock {n} was built in {1900 + n}." for n in range(5)]
        assert engine.retrieve(["When was lock 3 built?"], 1)[0][0].passage.location == "page 4"
        assert list(engine.add(pages(5)).unchanged) == ["locks.pdf"]
        assert list(engine.add(pages(3)).replaced) == ["locks.pdf"]
        assert len(library_texts(engine, "locks.pdf")) == 3


def test_sources_are_kept_apart_and_in_order() -> None:
    documents = [
        Document("one", metadata={"source": "a"}),
        Document("two", metadata={"source": "b", "title": "B"}),
        Document("three", metadata={"source": "a", "title": "A"}),
    ]
    first, second = gather(documents).sources
    assert [part.text for part in first.parts] == ["one", "three"]
    assert (read_parts(first).title, read_parts(second).title) == ("A", "B")


def test_texts_without_a_name_stay_apart() -> None:
    assert len(gather([Document("one"), Document("two"), Document("one")]).sources) == 2


@pytest.mark.parametrize(
    ("metadata", "location"),
    [
        ({"page": 0}, "page 1"),
        ({"page": 3, "page_label": "iv"}, "page iv"),
        ({"page_number": 7}, "page 7"),
        ({"row": 11}, "row 12"),
        ({"location": "slide 2", "page": 0}, "slide 2"),
        ({"page": None, "page_label": ""}, ""),
        ({"page": "three"}, ""),
        ({}, ""),
    ],
)
def test_where_a_document_stands(metadata: dict[str, Any], location: str) -> None:
    assert document_location(metadata) == location


def test_half_a_character_is_no_text() -> None:
    gathered = gather(
        [Document("left \ud800 right", metadata={"source": "s"}), Document("x", metadata={"source": "\ud800"})]
    )
    [source] = gathered.sources
    assert source.read() == b"left ? right"
    assert [block.text for block in read_parts(source).blocks] == ["left ? right"]
    assert [failed.source for failed in gathered.failed] == ["\\ud800"]


def test_parts_that_come_later_join_those_before() -> None:
    with PartStore() as store:
        assert store.complete(source_from_parts("a", [Part("one")])).parts == (Part("one"),)
        assert store.complete(source_from_parts("b", [Part("two")])).parts == (Part("two"),)
        whole = store.complete(source_from_parts("a", [Part("three", "page 2")]))
        assert whole.parts == (Part("one"), Part("three", "page 2"))
        assert store.complete(source_from_parts("a", [Part("four")])).parts[2] == Part("four")
