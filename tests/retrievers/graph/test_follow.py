"""A graph index that followed a library through changes equals one that was made of its present state."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from rag.library.sqlite.library import SqliteLibrary
from rag.models.sentence_encoder import EmbeddingsEncoder
from retrievers.graph.index import GraphIndex
from retrievers.graph.retriever import GraphRetriever
from tests.retrievers.graph.test_retriever import add

NAMES = ("Ada Penrose", "Port Selwick", "Cora Vane", "Edda Lindqvist", "Tide Mill", "Berta Quill")
QUESTIONS = ["Where was Ada Penrose born?", "Who liked the Tide Mill?", "What did Cora Vane and Berta Quill do?"]


def cells(index: GraphIndex, matrix: Any, columns: Any) -> set[tuple[str, str]]:
    coordinates = matrix.tocoo()
    pairs = zip(coordinates.row.tolist(), coordinates.col.tolist(), strict=True)
    return {(index.passages[row].passage_id, columns[column]) for row, column in pairs}


def picture(index: GraphIndex) -> tuple[Any, ...]:
    """All that an index says, whatever the order of its rows and columns."""
    entities, matrices = index.matrices.entities, index.matrices
    words = {column: stem for stem, column in index.word_ids.items()}
    claims = {(entities[i], entities[j]) for i, j in zip(*matrices.relations.nonzero(), strict=True)}
    return (
        set(entities),
        cells(index, matrices.mentions, entities),
        cells(index, matrices.titles, entities),
        cells(index, index.words, words),
        claims,
    )


def scores(retriever: GraphRetriever) -> list[dict[str, float]]:
    rankings = retriever.search(QUESTIONS, 9)
    return [{scored.passage.passage_id: scored.score for scored in ranking} for ranking in rankings]


def assert_same(rankings: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    for ranking, other in zip(rankings, expected, strict=True):
        assert ranking == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_following_equals_starting_anew(tmp_path: Path, embeddings: Any, seed: int) -> None:
    rng = random.Random(seed)
    library, encoder = SqliteLibrary.open(tmp_path), EmbeddingsEncoder(embeddings, "hash")
    follower = GraphRetriever(library=library, encoder=encoder, is_exhaustive=True)
    reader = GraphRetriever(library=library, encoder=encoder)
    for _ in range(12):
        live = [document.doc_id for document in library.documents()]
        if live and rng.random() < 0.4:
            library.remove(rng.sample(live, min(len(live), 2)))
        else:
            one, two = rng.sample(NAMES, 2)
            text = f"{one} met {two}. The keeper of {two} is {rng.choice(NAMES)}."
            add(library, encoder, (f"d{rng.randrange(8)}", rng.choice(NAMES), text))
        fresh = GraphRetriever(library=library, encoder=encoder, is_exhaustive=True)
        assert picture(follower._whole.current_index()) == picture(fresh._whole.current_index())
        expected = scores(fresh)
        assert_same(scores(follower), expected)
        assert_same(scores(reader), expected)  # so few passages are all in reach
    library.close()
