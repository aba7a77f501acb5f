"""The gate: words count by complexity, and only where they agree with the graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag import Engine
from retrievers.complexity import complexity, num_facets_of, top_k_of
from retrievers.gated import GatedRetriever, GateSettings

TEXTS = {
    "mill": "The tide mill grinds corn. It was built by Ada Penrose.",
    "life": "Ada Penrose was born in a lighthouse.",
    "bell": "The bell rings at noon.",
}


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any) -> Iterator[Engine]:
    with Engine.open(tmp_path / "library", embeddings=embeddings) as engine:
        for name, text in TEXTS.items():
            (tmp_path / f"{name}.txt").write_text(text)
        engine.add([tmp_path / f"{name}.txt" for name in TEXTS])
        yield engine


def gated(engine: Engine, settings: GateSettings = GateSettings()) -> GatedRetriever:  # noqa: B008 - frozen
    return GatedRetriever(graph=engine.graph, sparse=engine.parts.retriever("sparse"), settings=settings)


@pytest.mark.parametrize(
    ("num_words", "expected", "top_k", "num_facets"),
    [(1, "simple", 3, 0), (10, "simple", 3, 0), (11, "compound", 5, 2), (14, "compound", 5, 2), (15, "multihop", 7, 5)],
)
def test_complexity(num_words: int, expected: str, top_k: int, num_facets: int) -> None:
    question = " ".join(["word"] * num_words)
    assert (complexity(question), top_k_of(question), num_facets_of(question)) == (expected, top_k, num_facets)


def test_scores_are_the_graphs_plus_words(engine: Engine) -> None:
    query = "tide mill corn"
    graph = {s.passage.passage_id: s.score for s in engine.graph.search([query], 3)[0]}
    words = {s.passage.passage_id: s.score for s in engine.parts.retriever("sparse").search([query], 3)[0]}
    best = max(words.values())
    found = gated(engine).search([query], 3)[0]
    assert len(found) == 3
    for item in found:
        added = 0.5 * words.get(item.passage.passage_id, 0.0) / best
        assert item.score == pytest.approx(graph[item.passage.passage_id] + added)


def test_without_agreement_words_do_not_count(engine: Engine) -> None:
    retriever = gated(engine, GateSettings(agreement_depth=1))
    index, (ranking,) = engine.graph.rankings(["tide mill corn"])
    words = engine.parts.retriever("sparse").search(["tide mill corn"], 1)[0]
    assert retriever.gate("tide mill corn", index, ranking.scores, words).max() == pytest.approx(0.5)
    disagreeing = np.array([0.0 if p == words[0].passage else 1.0 for p in index.passages])
    assert not retriever.gate("tide mill corn", index, disagreeing, words).any()
    assert not retriever.gate("tide mill corn", index, disagreeing, []).any()


def test_every_ranking_is_kept(engine: Engine) -> None:
    queries = ["Where was the builder of the tide mill born?", "", "word " * 10_000]
    retriever = gated(engine)
    found = retriever.find(queries, 2)
    assert found == [retriever.find([query], 2)[0] for query in queries]
    assert [stage.stage for stage in found[0].stages] == ["dense", "graph", "sparse", "fused"]
    assert found[0].stages[-1].hits == tuple((s.passage.passage_id, s.score) for s in found[0].ranking)
    assert all(len(stage.hits) <= 2 for stage in found[0].stages)
    assert [str(path) for path in found[0].paths if path.kind == "chain"] == ["mill -[ada penrose]-> life"]


def test_an_empty_library(tmp_path: Path, embeddings: Any) -> None:
    with Engine.open(tmp_path / "empty", embeddings=embeddings) as engine:
        assert gated(engine).find(["anything"], 3)[0].ranking == ()


def test_claims_make_paths(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "post.txt").write_text("The harbour master of Port Selwick is Edda Lindqvist.")
    engine.add(tmp_path / "post.txt")
    found = gated(engine).find(["Who is the harbour master of Port Selwick?"], 1)[0]
    claims = [path for path in found.paths if path.kind == "claims"]
    assert [str(path) for path in claims] == ["port selwick -[the harbour master]-> edda lindqvist"]
    assert claims[0].passage_id == claims[0].hops[-1].passage_id == found.ranking[0].passage.passage_id
