"""Whatever a setting does to ``ask``, it does to every other way of asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from decoders.params import Plain
from eval.run.answerer import EngineAnswerer
from eval.run.config import RunConfig
from eval.types import Trial
from rag import Answer, Engine, Message
from rag.generation.transformers.generator import TransformersGenerator
from rag.pipeline.stages.report import ABSTENTION
from rag.pipeline.stages.rewrite import RewriteStage
from rag.pipeline.state import given_state
from tests.generation.conftest import tiny_model, tiny_tokenizer

TEXTS = {
    "harbour": "The harbour master of Port Selwick is Edda Lindqvist.",
    "edda": "Edda Lindqvist was born in a lighthouse.",
    "mill": "The mill was built in 1764.",
    "bell": "The bell rings at noon every day.",
    "gull": "Gulls eat fish and bread.",
}
QUESTION = "Who is the harbour master of Port Selwick?"
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "filter": {"filter": "encoder"},
    "abstain": {"abstain": True, "abstain_below": 1.0},
    "no rewriting": {"rewrite": "off"},
    "rewriting by the model": {"rewrite": "model"},
    "question cache": {"question_cache": True},
    "no conflict report": {"conflict_report": False},
    "no verdict": {"verdict": False},
    "every position": {"policy": "all"},
    "silence asks back": {"on_silence": "ask"},
    "few passages": {"top_k": 2},
    "excerpts": {"compress": 0.5},
    "sparse": {"retrieval": "sparse"},
}


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=4096)


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator, settings: dict[str, Any]) -> Iterator[Engine]:
    library = tmp_path / "library"
    options = {"max_tokens": 4, "decoder": "plain"} | settings
    with Engine.open(library, embeddings=embeddings, generator=tiny, **options) as engine:
        for name, text in TEXTS.items():
            (tmp_path / f"{name}.txt").write_text(text)
        engine.add([tmp_path / f"{name}.txt" for name in TEXTS])
        yield engine


def essence(answer: Answer) -> Mapping[str, Any]:
    """What an answer says, without times and without how its passages were found."""
    shown = replace(answer, timings_ms={}).to_dict()
    for name in ("trace", "paths"):
        del shown[name]
    for name in ("citations", "dropped"):
        shown[name] = [item["passage_id"] for item in shown[name]]
    return shown


def test_stream_says_what_ask_says(engine: Engine) -> None:
    *_, streamed = engine.stream(QUESTION)
    assert isinstance(streamed, Answer)
    assert essence(streamed) == essence(engine.ask(QUESTION))


def test_evaluation_says_what_ask_says(engine: Engine, settings: dict[str, Any]) -> None:
    top_k = settings.get("top_k", 3)
    values = {"dataset": "plain", "data": "x.jsonl", "max_tokens": 4, "decoder": "plain"}
    config = RunConfig.from_values(values | {"top_k": top_k})
    ((evaluated,),) = EngineAnswerer(engine, config).answer([Trial("1", QUESTION, ())], [Plain()], lambda: None)
    asked = engine.ask(QUESTION, top_k=top_k)
    assert essence(evaluated) == essence(asked)
    assert evaluated.is_abstained == asked.is_abstained == (settings.get("abstain", False))


def test_passages_of_the_caller_go_through_every_stage_but_retrieval(engine: Engine, settings: dict[str, Any]) -> None:
    asked = engine.ask(QUESTION, filter="off", abstain=False, question_cache=False)
    ids = [citation.passage_id for citation in asked.citations]
    passages = [scored.passage for scored in engine.retrieve([QUESTION], top_k=len(ids))[0]]
    if settings.get("filter") is None:
        assert [passage.passage_id for passage in passages] == ids
    (from_passages,) = engine.answer_with([QUESTION], [passages])
    *_, streamed = engine.stream(QUESTION, passages=passages)
    assert isinstance(streamed, Answer)
    assert essence(from_passages) == essence(streamed)
    if settings.get("abstain"):
        assert (from_passages.text, from_passages.is_abstained) == (ABSTENTION, True)
    if settings.get("filter") == "encoder":
        assert [stage.stage for stage in from_passages.trace.stages] == ["filter"]
        assert len(from_passages.citations) < len(passages) or len(passages) <= 2


def test_a_question_for_the_model_alone_is_answered(engine: Engine) -> None:
    (answer,) = engine.answer_with([QUESTION], [[]])
    assert not answer.is_abstained
    assert answer.tokens.generated > 0


def test_a_follow_up_is_clarified_for_passages_of_the_caller_too(engine: Engine, settings: dict[str, Any]) -> None:
    history = [Message("user", QUESTION), Message("assistant", "Edda Lindqvist")]
    query = engine.query("Where was she born?", history=history)
    state = RewriteStage(engine.components.rewriter).run([given_state(query, ())])[0]
    clarified = "Where was she born?" if settings.get("rewrite") == "off" else "Where was Edda Lindqvist born?"
    assert state.question == clarified
