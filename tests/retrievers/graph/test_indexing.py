"""The graph's index in both kinds of libraries: kept by publications, resumed after interruptions, left by removals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kg.imports import import_triples
from rag.core.passages import Passage
from rag.engine import Engine
from rag.library.base import Library, Staged
from rag.library.graph_index import GraphEntry
from rag.library.open import open_library
from rag.models.sentence_encoder import EmbeddingsEncoder
from retrievers.graph import indexing
from retrievers.graph.entries import RuleEntryWriter, build_entry, name_key, word_key
from retrievers.graph.indexing import GraphIndexer
from retrievers.graph.neighbourhood import Reach
from retrievers.graph.retriever import GraphRetriever
from retrievers.graph.store import import_extractions

TEXTS = {
    "mill": "The tide mill was built by Ada Penrose. It grinds corn.",
    "life": "Ada Penrose was born in a lighthouse.",
    "bell": "The bell of Port Selwick rings at noon.",
}
VERSION = RuleEntryWriter().version


def publish(library: Library, encoder: Any, **texts: str) -> None:
    """Documents without entries, as earlier versions published them."""
    staged = [
        Staged(
            name, name, name, text, len(text), [Passage(f"{name}:0", name, name, name, text)], encoder.encode([text])
        )
        for name, text in texts.items()
    ]
    library.stage(staged)
    library.publish(list(texts), encoder.name)


def naming(library: Library, name: str) -> set[str]:
    ids = [row_id for _, row_id in library.graph_tables().postings([name_key(name)], 10)]
    return {passage.doc_id for passage in library.passages(ids).values()}


def num_with(library: Library, stem: str) -> int:  # "lighthous": the stem of lighthouse
    return library.graph_tables().word_counts([word_key(stem)]).get(word_key(stem), 0)


@pytest.fixture
def encoder(embeddings: Any) -> EmbeddingsEncoder:
    return EmbeddingsEncoder(embeddings, "hash")


def test_an_entry_is_read_as_it_was_written() -> None:
    passage = Passage("d:0", "d", "d", "Ada Penrose", "Ada Penrose built the mill.")
    entry = build_entry(passage, [])
    assert GraphEntry.from_bytes(entry.to_bytes()).words.tolist() == entry.words.tolist()
    (body,) = RuleEntryWriter().write([passage])
    read = GraphEntry.from_bytes(body)
    assert name_key("ada penrose") in read.mentions.tolist()
    assert read.titles.tolist() == [name_key("ada penrose")]
    assert ~name_key("ada penrose") in read.postings.tolist()
    with pytest.raises(ValueError, match="buffer"):
        GraphEntry.from_bytes(body[:20])


def test_documents_come_and_go_with_their_names(place: str, embeddings: Any, tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with Engine.open(place, embeddings=embeddings) as engine:
        engine.add([tmp_path / f"{name}.txt" for name in TEXTS])
        tables = engine.library.graph_tables()
        assert tables.is_complete(VERSION)
        assert tables.counts([name_key("ada penrose"), name_key("nobody")], 9) == {name_key("ada penrose"): 2}
        assert tables.counts([name_key("ada penrose")], 1) == {name_key("ada penrose"): 1}
        (tmp_path / "life.txt").write_text("Cora Vane was born in a lighthouse.")
        engine.add(tmp_path / "life.txt")
        assert tables.counts([name_key("ada penrose"), name_key("cora vane")], 9) == {
            name_key("ada penrose"): 1,
            name_key("cora vane"): 1,
        }
        assert num_with(engine.library, "lighthous") == 1
        engine.remove([tmp_path / "life.txt"])
        assert naming(engine.library, "cora vane") == set()
        assert num_with(engine.library, "lighthous") == 0
        assert tables.is_complete(VERSION)
        assert engine.check() == []


def test_an_earlier_library_is_indexed_in_steps(
    place: str, encoder: EmbeddingsEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = open_library(place)
    publish(library, encoder, **TEXTS)
    assert not library.graph_tables().is_complete(VERSION)
    monkeypatch.setattr(indexing, "_STEP", 2)

    def stop(num_done: int, num_all: int) -> None:
        assert (num_done, num_all) == (2, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GraphIndexer(library).update(stop)
    assert len(library.graph_tables().missing(VERSION)) == 1
    seen: list[tuple[int, int]] = []
    GraphIndexer(library).update(lambda *counts: seen.append(counts))
    assert seen == [(1, 1)]
    assert GraphIndexer(library).is_complete
    assert naming(library, "ada penrose") == {"mill", "life"}
    tables = library.graph_tables()
    (body,) = tables.entries([min(library.live_ids()[0].tolist())]).values()
    tables.keep(VERSION, dict.fromkeys(library.live_ids()[0].tolist(), body))
    assert num_with(library, "lighthous") == 1, "what is there is not counted again"
    tables.keep("names-0/0", dict.fromkeys(library.live_ids()[0].tolist(), body))
    assert naming(library, "ada penrose") == {"mill", "life", "bell"}
    assert len(tables.missing(VERSION)) == 3
    library.close()


def test_imported_names_are_searched(place: str, encoder: EmbeddingsEncoder, tmp_path: Path) -> None:
    library = open_library(place)
    publish(library, encoder, **TEXTS)
    retriever = GraphRetriever(library=library, encoder=encoder)
    retriever.search(["Who?"], 1)
    file = tmp_path / "triples.jsonl"
    file.write_text(json.dumps({"doc_id": "bell", "triples": [["the bell", "cast by", "berta quill"]]}))
    rows = library.passages(library.live_ids()[0].tolist())
    import_extractions(library, rows, import_triples(file, list(rows.values())).extractions)
    exhaustive = GraphRetriever(library=library, encoder=encoder, is_exhaustive=True)
    question = "What did Berta Quill cast?"
    assert retriever.search([question], 3)[0] == [
        type(s)(s.passage, pytest.approx(s.score, abs=1e-5)) for s in exhaustive.search([question], 3)[0]
    ]
    assert naming(library, "berta quill") == {"bell"}
    publish(library, encoder, copy=TEXTS["bell"])
    library.remove(["bell"])
    retriever.search([question], 3)
    assert naming(library, "berta quill") == set(), "the copy has another title, so it is another content"
    library.close()


def test_a_reach_that_is_short_still_ranks(place: str, encoder: EmbeddingsEncoder) -> None:
    """The nearest passage, the one with a name, and what they lead to."""
    library = open_library(place)
    publish(library, encoder, **TEXTS, **{f"other{i}": f"Nothing of interest here, number {i}." for i in range(30)})
    reach = Reach(nearest=1, named=5, titled=5, neighbours=5)
    retriever = GraphRetriever(library=library, encoder=encoder, reach=reach)
    exhaustive = GraphRetriever(library=library, encoder=encoder, is_exhaustive=True)
    question = "Where was the builder of the tide mill born?"
    ((index, _),) = retriever.rankings([question])
    assert len(index.passages) < 10
    best, second = retriever.search([question], 2)[0]
    assert [best.passage.doc_id, second.passage.doc_id] == ["mill", "life"]
    expected = exhaustive.search([question], 2)[0]
    assert [best.score, second.score] == pytest.approx([item.score for item in expected], abs=1e-5)
    assert retriever.explain(question, 2)[1].entity == "ada penrose"
    library.close()


def test_a_library_that_cannot_be_written_to_still_answers(
    tmp_path: Path, encoder: EmbeddingsEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rag.core.errors import StorageError

    library = open_library(tmp_path / "library")
    publish(library, encoder, **TEXTS)

    def refuse(*_: object) -> None:
        raise StorageError("read-only")

    monkeypatch.setattr(library.graph_tables(), "keep", refuse)
    (best, *_), *_ = GraphRetriever(library=library, encoder=encoder).search(["Who built the tide mill?"], 3)
    assert best.passage.doc_id == "mill"
    library.close()
