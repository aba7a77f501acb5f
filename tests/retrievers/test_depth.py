"""Further rounds: what a passage leaves open is asked of the candidates that share a name with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.core.errors import ConcordError
from rag.core.passages import Passage, ScoredPassage
from rag.engine import Engine
from rag.models.sentence_encoder import EmbeddingsEncoder
from retrievers.depth import deepen
from tests.conftest import HashEmbeddings

QUESTION = "Which river flows through the town where Ada Quill was born?"
TEXTS = {
    "Ada Quill": "Ada Quill was born in Marrow Bay and became a printer.",
    "Rivers": "A river flows to the sea. Most towns stand where a river flows.",
    "Towns": "A town is larger than a village. People are born there.",
    "Printing": "Printing was a trade of the town.",
    "Marrow Bay": "Marrow Bay is old. The Calder is the river that flows through Marrow Bay. It has a mayor.",
    "The Calder": "The Calder rises near Hob Fell.",
}


def first_round(scale: float = 1.0) -> list[ScoredPassage]:
    passages = [Passage(f"{title}:0", title, title, title, text) for title, text in TEXTS.items()]
    return [ScoredPassage(passage, scale * (1 - 0.05 * rank)) for rank, passage in enumerate(passages)]


def order(rounds: int, scale: float = 1.0) -> list[str]:
    result = deepen(QUESTION, first_round(scale), EmbeddingsEncoder(HashEmbeddings()), rounds)
    return [scored.passage.doc_id for scored in result.ranking]


def test_a_second_round_brings_what_the_first_passage_leads_to() -> None:
    assert order(1) == list(TEXTS)
    assert order(2).index("Marrow Bay") <= 1
    assert sorted(order(3)) == sorted(TEXTS)
    result = deepen(QUESTION, first_round(), EmbeddingsEncoder(HashEmbeddings()), 2)
    paths = {path.passage_id: path.hops[0] for path in result.paths}
    assert (paths["Marrow Bay:0"].subject, paths["Marrow Bay:0"].relation) == ("Ada Quill", "marrow bay")


def test_only_the_order_of_the_scores_counts_not_their_size() -> None:
    """BM25 gives tens, a foreign retriever the reciprocals of ranks."""
    assert order(3, scale=40.0) == order(3)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_nothing_to_rank(rounds: int) -> None:
    encoder = EmbeddingsEncoder(HashEmbeddings())
    assert deepen(QUESTION, [], encoder, rounds).ranking == ()
    assert deepen(QUESTION, first_round()[:1], encoder, rounds).ranking == tuple(first_round()[:1])


def test_a_question_may_ask_for_rounds(tmp_path: Path) -> None:
    for title, text in TEXTS.items():
        (tmp_path / f"{title}.txt").write_text(f"{text}\n")
    with Engine.open(tmp_path / "library", embeddings=HashEmbeddings()) as engine:
        engine.add([tmp_path / f"{title}.txt" for title in TEXTS])
        (state,) = engine.search([engine.query(QUESTION, rounds=3, top_k=2)])
        stages = [stage.stage for stage in state.trace.stages]
        assert stages[:4] == ["dense", "graph", "sparse", "fused"]
        assert stages[4] == "round 2"
        assert len(state.ranking) == 2
        with pytest.raises(ConcordError, match="rounds=4"):
            engine.query(QUESTION, rounds=4)
