"""The gate: words count by the question's length and agreement, chains by what they complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag import Engine
from retrievers.hybrid import GateSettings, HybridRetriever
from retrievers.query.length_class import default_num_facets, default_top_k, length_class

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


def gated(engine: Engine, settings: GateSettings = GateSettings()) -> HybridRetriever:  # noqa: B008 - frozen
    return HybridRetriever(graph=engine.graph, sparse=engine.components.retriever("sparse"), settings=settings)


@pytest.mark.parametrize(
    ("num_words", "expected", "top_k", "num_facets"),
    [(1, "simple", 3, 0), (10, "simple", 3, 0), (11, "compound", 5, 2), (14, "compound", 5, 2), (15, "multihop", 7, 5)],
)
def test_length_class(num_words: int, expected: str, top_k: int, num_facets: int) -> None:
    question = " ".join(["word"] * num_words)
    assert length_class(question) == expected
    assert (default_top_k(question), default_num_facets(question)) == (top_k, num_facets)


def test_scores_by_hand(engine: Engine) -> None:
    """The best passage by words has all of BM25's weight, the other one that the words are in has the less."""
    query = "tide mill corn bell"
    ((index, ranking),) = engine.graph.rankings([query])
    words = {s.passage.passage_id: s.score for s in engine.components.retriever("sparse").search([query], 3)[0]}
    assert len(words) == 2
    results = gated(engine, GateSettings(agreement_depth=1)).search([query], 3)[0]
    assert [Path(item.passage.source).stem for item in results][:2] == ["mill", "bell"]
    for item, weight in zip(results, (0.8, 0.5, 0.5), strict=True):
        name = item.passage.passage_id
        row = [passage.passage_id for passage in index.passages].index(name)
        graph = ranking.scores[row] - ranking.covered * ranking.chains[row]
        assert item.score == pytest.approx(graph + weight * words.get(name, 0.0) / max(words.values()))


@pytest.mark.parametrize(("depth", "weight"), [(1, 0.5), (2, 0.8)])
def test_words_count_more_where_meaning_agrees(engine: Engine, depth: int, weight: float) -> None:
    """The bell is second by words and first by meaning."""
    query = "tide mill corn bell"
    ((index, ranking),) = engine.graph.rankings([query])
    words = engine.components.retriever("sparse").match(query, 2)
    row = index.rows_by_id[words[1][0]]
    other = replace(ranking, similarity=np.eye(3)[row], scores=np.zeros(3), chains=np.zeros(3))
    scores = gated(engine, GateSettings(agreement_depth=depth)).scores(query, index, other, words)
    assert scores[row] == pytest.approx(weight * words[1][1] / words[0][1])


def test_without_words_the_graph_decides(engine: Engine) -> None:
    ((index, ranking),) = engine.graph.rankings(["tide mill corn"])
    scores = gated(engine).scores("word " * 20, index, ranking, [])
    assert scores.tolist() == ranking.scores.tolist()


def test_a_chain_counts_by_what_is_left_open_of_a_short_question(engine: Engine) -> None:
    retriever = gated(engine)
    short, long = "Where was the builder of the tide mill born?", "Please " * 10 + "where was the builder born?"
    ((index, ranking),) = engine.graph.rankings([short])
    assert ranking.chains.max() > 0
    assert 0 < ranking.covered < 1
    left = ranking.scores - ranking.covered * ranking.chains
    assert retriever.scores(short, index, ranking, []) == pytest.approx(left)
    assert retriever.scores(long, index, ranking, []) == pytest.approx(ranking.scores)


def test_every_ranking_is_kept(engine: Engine) -> None:
    queries = ["Where was the builder of the tide mill born?", "", "word " * 10_000]
    retriever = gated(engine)
    results = retriever.find(queries, 2)
    assert results == [retriever.find([query], 2)[0] for query in queries]
    assert [stage.stage for stage in results[0].stages] == ["dense", "graph", "sparse", "fused"]
    assert results[0].stages[-1].hits == tuple((s.passage.passage_id, s.score) for s in results[0].ranking)
    assert all(len(stage.hits) <= 2 for stage in results[0].stages)
    assert [str(path) for path in results[0].paths if path.kind == "chain"] == ["mill -[ada penrose]-> life"]


def test_an_empty_library(tmp_path: Path, embeddings: Any) -> None:
    with Engine.open(tmp_path / "empty", embeddings=embeddings) as engine:
        assert gated(engine).find(["anything"], 3)[0].ranking == ()


def test_claims_make_paths(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "post.txt").write_text("The harbour master of Port Selwick is Edda Lindqvist.")
    engine.add(tmp_path / "post.txt")
    result = gated(engine).find(["Who is the harbour master of Port Selwick?"], 1)[0]
    claims = [path for path in result.paths if path.kind == "claims"]
    assert [str(path) for path in claims] == ["port selwick -[the harbour master]-> edda lindqvist"]
    assert claims[0].passage_id == claims[0].hops[-1].passage_id == result.ranking[0].passage.passage_id
