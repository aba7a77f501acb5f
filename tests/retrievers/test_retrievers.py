"""Dense, sparse and fused retrieval, as LangChain retrievers and over a changing library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.core.passages import Passage, ScoredPassage
from rag.engine import Engine
from rag.models.sentence_encoder import EmbeddingsEncoder
from retrievers.dense.retriever import DenseRetriever
from retrievers.fusion import FusedRetriever, reciprocal_rank_fusion
from retrievers.sparse import SparseRetriever, match_expression

TEXTS = {
    "harbour": "The harbour master keeps the harbour open at night.",
    "mill": "The tide mill grinds corn when the tide falls.",
    "museum": "The museum shows boats, nets and lamps.",
}


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any) -> Engine:
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(text)
    opened = Engine.open(tmp_path / "library", embeddings=embeddings)
    opened.add([tmp_path / f"{name}.txt" for name in TEXTS])
    return opened


def every_kind(engine: Engine, embeddings: Any) -> dict[str, Any]:
    dense = DenseRetriever(library=engine.library, encoder=EmbeddingsEncoder(embeddings, "h"))
    sparse = SparseRetriever(library=engine.library)
    return {"dense": dense, "sparse": sparse, "hybrid": FusedRetriever(retrievers=[dense, sparse])}


@pytest.mark.parametrize("kind", ["dense", "sparse", "hybrid"])
def test_contract(engine: Engine, place: str, embeddings: Any, kind: str, tmp_path: Path) -> None:
    """What every retriever promises, wherever the library is kept."""
    engine = Engine.open(place, embeddings=embeddings)
    engine.add([tmp_path / f"{name}.txt" for name in TEXTS])
    retriever = every_kind(engine, embeddings)[kind]
    rankings = retriever.search(["tide mill corn", "harbour master", ""], 2)
    assert [Path(ranking[0].passage.source).stem for ranking in rankings[:2]] == ["mill", "harbour"]
    assert all(len(ranking) <= 2 for ranking in rankings)
    for ranking in rankings:
        assert [s.score for s in ranking] == sorted((s.score for s in ranking), reverse=True)
    assert rankings == [retriever.search([query], 2)[0] for query in ("tide mill corn", "harbour master", "")]
    document = retriever.invoke("tide mill corn")[0]
    assert document.page_content == TEXTS["mill"]
    assert Passage.from_document(document) == rankings[0][0].passage
    (tmp_path / "mill.txt").unlink()
    engine.remove([tmp_path / "mill.txt"])
    assert all("mill" not in s.passage.text for s in retriever.search(["tide mill corn"], 3)[0])


def test_dense_scores_are_cosines(engine: Engine, embeddings: Any) -> None:
    dense = every_kind(engine, embeddings)["dense"]
    encoder = EmbeddingsEncoder(embeddings, "h")
    for scored in dense.search(["the tide at night"], 3)[0]:
        texts = ["the tide at night", f"{scored.passage.title}\n{scored.passage.text}"]
        query, passage = encoder.encode(texts)
        assert scored.score == pytest.approx(float(np.dot(query, passage)), abs=1e-6)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Who is the harbour master?", '"harbour" OR "master"'),
        ("the of", '"the" OR "of"'),
        ('a "quoted" AND tricky* (bell) NEAR/2 two:', '"quoted" OR "tricky" OR "bell" OR "near" OR "2" OR "two"'),
        ("?!", ""),
    ],
)
def test_match_expression(query: str, expected: str) -> None:
    assert match_expression(query) == expected


@given(st.text(max_size=200))
def test_no_question_breaks_the_sparse_index(query: str) -> None:
    words = match_expression(query).split(" OR ")
    assert all(word == "" or (word.startswith('"') and word.endswith('"') and word.count('"') == 2) for word in words)


def scored(*names: str) -> list[ScoredPassage]:
    return [ScoredPassage(Passage(name, name, name, "", name), 1.0) for name in names]


def test_fusion_by_hand() -> None:
    fused = reciprocal_rank_fusion([scored("a", "b", "c"), scored("c", "a")], k=60)
    assert [s.passage.passage_id for s in fused] == ["a", "c", "b"]
    assert [s.score for s in fused] == pytest.approx([1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62])


def test_fusion_ties_go_by_name() -> None:
    assert [s.passage.passage_id for s in reciprocal_rank_fusion([scored("b"), scored("a")])] == ["a", "b"]


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6), min_size=1, max_size=4))
def test_fusion_does_not_depend_on_the_order_of_rankings(rankings: list[list[str]]) -> None:
    lists = [scored(*names) for names in rankings]
    forward, backward = reciprocal_rank_fusion(lists), reciprocal_rank_fusion(lists[::-1])
    assert {s.passage.passage_id for s in forward} == {name for names in rankings for name in names}
    assert [round(s.score, 12) for s in forward] == [round(s.score, 12) for s in backward]
