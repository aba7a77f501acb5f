"""Kept extractions: read once, resumed, shared by content, gone with their last passage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.codec import from_bytes, to_bytes
from kg.extract import NameExtractor
from kg.imports import import_triples
from kg.types import Extraction, Triple
from rag.core.passages import Passage
from rag.library.base import Staged
from rag.library.sqlite.library import SqliteLibrary
from retrievers.graph.retriever import GraphRetriever
from retrievers.graph.store import import_extractions, read_passages

MILL = "The tide mill of Port Selwick is Selwick Mill. Ada Penrose built it."
ADA = "Ada Penrose was born in a lighthouse."


class CountingExtractor(NameExtractor):
    """Keeps the passages that it was asked to read; fails after ``patience`` calls."""

    def __init__(self, patience: int = 1000) -> None:
        self.read: list[str] = []
        self.patience = patience

    def extract(self, passages: Sequence[Passage]) -> list[Extraction]:
        if self.patience == 0:
            raise KeyboardInterrupt
        self.patience -= 1
        self.read += [passage.passage_id for passage in passages]
        return super().extract(passages)


def publish(library: SqliteLibrary, **texts: str | Sequence[str]) -> None:
    staged = []
    for doc_id, content in texts.items():
        pieces = [content] if isinstance(content, str) else content
        passages = [Passage(f"{doc_id}:{i}", doc_id, doc_id, "Title", text) for i, text in enumerate(pieces)]
        vectors = np.eye(8, dtype=np.float32)[[len(text) % 8 for text in pieces]]
        staged.append(Staged(doc_id, doc_id, "Title", str(pieces), 9, passages, vectors))
    library.stage(staged)
    library.publish(list(texts), "enc")


def build_graph(library: SqliteLibrary, extractor: NameExtractor) -> GraphRetriever:
    retriever = GraphRetriever(library=library, encoder=None, extractors=(extractor,))
    assert retriever.graph.passage_ids
    return retriever


def num_kept(library: SqliteLibrary) -> int:
    with library.database.reading() as db:
        return int(db.execute("SELECT count(*) FROM extractions").fetchone()[0])


@pytest.fixture
def library(tmp_path: Path) -> Iterator[SqliteLibrary]:
    library = SqliteLibrary.open(tmp_path)
    yield library
    library.close()


def test_every_passage_is_read_once(library: SqliteLibrary) -> None:
    publish(library, mill=MILL, ada=ADA)
    first, second = CountingExtractor(), CountingExtractor()
    graph = build_graph(library, first).graph
    assert sorted(first.read) == ["ada:0", "mill:0"]
    again = build_graph(library, second).graph
    assert second.read == []
    for passage_id in graph.passage_ids:
        assert again.extraction(passage_id) == graph.extraction(passage_id)
    publish(library, cora="Cora Vane keeps the lighthouse.")
    build_graph(library, second)
    assert second.read == ["cora:0"]


def test_a_replaced_document_is_read_where_it_changed(library: SqliteLibrary) -> None:
    publish(library, book=[MILL, ADA])
    extractor = CountingExtractor()
    retriever = build_graph(library, extractor)
    publish(library, book=["Cora Vane wrote a preface.", MILL, ADA])
    assert set(retriever.graph.passage_ids) == {"book:0", "book:1", "book:2"}
    assert extractor.read == ["book:0", "book:1", "book:0"]
    assert retriever.graph.passages_naming("ada penrose") == ("book:1", "book:2")


def test_what_only_a_removed_document_supports_goes(library: SqliteLibrary) -> None:
    publish(library, one=MILL, two=MILL, ada=ADA)
    extractor = CountingExtractor()
    retriever = build_graph(library, extractor)
    assert num_kept(library) == 2  # one for the text that two documents share
    library.remove(["one", "ada"])
    assert num_kept(library) == 1
    assert retriever.graph.passages_naming("ada penrose") == ("two:0",)
    library.remove(["two"])
    assert num_kept(library) == 0


def test_an_interrupted_reading_is_resumed(library: SqliteLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountingExtractor, "batch_size", 2)
    publish(library, **{f"d{i}": f"Person Number{i} lives here." for i in range(5)})
    rows = library.passages(library.live_ids()[0].tolist())
    killed = CountingExtractor(patience=2)
    with pytest.raises(KeyboardInterrupt):
        read_passages(library, killed, rows)
    done: list[int] = []
    resumed = CountingExtractor()
    extractions = read_passages(library, resumed, rows, done.append)
    assert [item.passage_id for item in extractions] == [passage.passage_id for passage in rows.values()]
    assert (killed.read, resumed.read) == (["d0:0", "d1:0", "d2:0", "d3:0"], ["d4:0"])
    assert done == [2, 2, 1]
    assert extractions == NameExtractor().extract(list(rows.values()))


def test_a_damaged_entry_is_read_again(library: SqliteLibrary) -> None:
    publish(library, mill=MILL, ada=ADA)
    build_graph(library, CountingExtractor())
    with library.database.writing() as db:
        db.execute("UPDATE extractions SET body = x'00'")
    extractor = CountingExtractor()
    assert "ada penrose" in build_graph(library, extractor).graph.entities
    assert sorted(extractor.read) == ["ada:0", "mill:0"]


def test_imported_triples_join_the_graph_and_stay(library: SqliteLibrary, tmp_path: Path) -> None:
    publish(library, mill=MILL, ada=ADA)
    retriever = build_graph(library, NameExtractor())
    file = tmp_path / "triples.jsonl"
    claims = [("mill", "Ada Penrose", "built", "Selwick Mill"), ("ada", "Ada Penrose", "born in", "lighthouse")]
    for doc_id, *claim in claims:
        file.write_text(json.dumps({"doc_id": doc_id, "triples": [claim]}))
        rows = library.passages(library.live_ids()[0].tolist())
        assert import_extractions(library, rows, import_triples(file, list(rows.values())).extractions) == 1
    expected = {("ada penrose", "built", "selwick mill"), ("ada penrose", "born in", "lighthouse")}
    for seen in (retriever, build_graph(library, NameExtractor())):
        assert expected <= set(seen.graph.claims)
        assert seen.graph.passages_naming("ada penrose") == ("mill:0", "ada:0")
    library.remove(["ada"])
    assert expected & set(retriever.graph.claims) == {("ada penrose", "built", "selwick mill")}


@given(st.text(max_size=200), st.text(max_size=30), st.lists(st.text(max_size=9), max_size=3))
def test_the_codec_gives_back_what_it_got(text: str, title: str, rejected: list[str]) -> None:
    passage = Passage("d:0", "d", "d", title, text)
    read = NameExtractor().extract([passage])[0]
    triples = tuple(Triple(m.entity, "names", m.entity, m.source) for m in read.mentions[:2])
    extraction = Extraction("d", "d:0", read.mentions, (*read.triples, *triples), tuple(rejected))
    assert from_bytes(to_bytes(extraction), passage) == extraction
    other = Passage("e:5", "e", "e", title, text)
    assert from_bytes(to_bytes(read), other) == NameExtractor().extract([other])[0]


@pytest.mark.parametrize("body", [b"", b"garbage", to_bytes(Extraction("d", "d:0"))[:-3]])
def test_damaged_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        from_bytes(body, Passage("d:0", "d", "d", "", ""))
