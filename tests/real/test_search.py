"""The front half with the default models: memory knows paraphrases, strange questions have no support."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag import Engine
from retrievers.judging.model_judge import ModelJudge

pytestmark = pytest.mark.real
QUESTION = "Who is the harbour master of Port Selwick?"


@pytest.fixture(scope="module")
def engine(example_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("search") / "library"
    shutil.copytree(example_library, folder)
    with Engine.open(folder) as engine:
        yield engine


def test_memory_knows_a_paraphrase_and_nothing_else(engine: Engine) -> None:
    def is_from_cache(question: str) -> bool:
        states = engine.search([engine.query(question, question_cache=True)])[0]
        return states.trace.is_from_cache

    assert not is_from_cache(QUESTION)
    assert is_from_cache("Can you tell me who the harbour master of Port Selwick is?")
    assert is_from_cache("Who holds the office of harbour master at Port Selwick?")  # other words: by its vector
    for other in ("Where is the harbour master of Port Selwick?", "Who is not the harbour master of Port Selwick?"):
        assert not is_from_cache(other)
    assert not is_from_cache("What is the tallest mountain in the world?")
    assert not is_from_cache("When does the Port Selwick museum open?")


def test_what_the_documents_say_has_support(engine: Engine) -> None:
    questions = [QUESTION, "What is the tallest mountain in the world?", "Which enzyme unwinds bacterial DNA?"]
    states = engine.search([engine.query(question, abstain=True) for question in questions])
    assert [item.is_supported for item in states] == [True, True, False]


def test_the_encoder_tells_gold_from_noise(engine: Engine) -> None:
    states = engine.search([engine.query(QUESTION, filter="encoder", top_k=9)])[0]
    judged = dict(states.trace.stages[-1].hits)
    notices = [s.passage.passage_id for s in states.ranking if "harbour-master-notice" in s.passage.source]
    assert len(notices) == 2
    assert min(judged.pop(name) for name in notices) > max(judged.values())


def test_the_model_judge_returns_probabilities(engine: Engine, generator: Any) -> None:
    """Whether they mean anything depends on the model; with the default one they do not (docs/LOG.md)."""
    passages = [scored.passage for scored in engine.retrieve([QUESTION], top_k=3)[0]]
    verdicts = ModelJudge(generator).judge([QUESTION], [passages])[0]
    assert len(verdicts) == 3
    for verdict in verdicts:
        assert min(verdict.entail, verdict.neutral, verdict.contradict) > 0
        assert verdict.entail + verdict.neutral + verdict.contradict == pytest.approx(1)
