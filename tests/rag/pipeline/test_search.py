"""The front half through the engine: rewriting, memory, filter and abstention as a user sets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag import Answer, Engine, Message
from rag.cli.render import search_trace
from rag.core.errors import SettingError
from rag.generation.transformers.generator import TransformersGenerator
from rag.pipeline.stages.report import ABSTENTION
from rag.pipeline.state import new_state
from tests.generation.conftest import tiny_model, tiny_tokenizer

TEXTS = {
    "harbour": "The harbour master of Port Selwick is Edda Lindqvist.",
    "edda": "Edda Lindqvist was born in a lighthouse.",
    "mill": "The mill was built in 1764.",
    "bell": "The bell rings at noon every day.",
    "gull": "Gulls eat fish and bread.",
    "boat": "The boat sails at dawn.",
}
QUESTION = "Who is the harbour master of Port Selwick?"


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=4096)


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> Iterator[Engine]:
    with Engine.open(tmp_path / "library", embeddings=embeddings, generator=tiny, max_tokens=4) as engine:
        for name, text in TEXTS.items():
            (tmp_path / f"{name}.txt").write_text(text)
        engine.add([tmp_path / f"{name}.txt" for name in TEXTS])
        yield engine


def sources(answer: Answer) -> list[str]:
    return [Path(citation.source).stem for citation in answer.citations]


def test_stages_and_paths_are_in_the_answer(engine: Engine) -> None:
    answer = engine.ask(QUESTION, filter="encoder")
    assert [stage.stage for stage in answer.trace.stages] == ["dense", "graph", "sparse", "fused", "filter"]
    assert (answer.trace.complexity, answer.trace.queries) == ("simple", (QUESTION,))
    assert answer.trace.num_retrieved == len(TEXTS)
    assert {path.passage_id for path in answer.paths} <= {c.passage_id for c in answer.citations}
    assert "port selwick -[the harbour master]-> edda lindqvist" in [str(path) for path in answer.paths]
    as_json = answer.to_dict()
    assert as_json["trace"]["stages"][0]["stage"] == "dense"
    assert as_json["paths"][-1]["hops"][0]["relation"] == "the harbour master"
    assert search_trace(answer) is not None


def test_complexity_sets_top_k_unless_the_caller_does(engine: Engine) -> None:
    long = "Where was the harbour master of Port Selwick born and when was the old mill there built?"
    assert len(engine.ask(QUESTION).citations) == 3
    assert len(engine.ask(long).citations) == 6  # seven are wanted, six are there
    assert len(engine.ask(long, top_k=2).citations) == 2


def test_follow_ups_are_searched_for_by_name(engine: Engine) -> None:
    history = [Message("user", QUESTION), Message("assistant", "Edda Lindqvist")]
    question = "Where was she born?"
    answer = engine.ask(question, history=history, top_k=1)
    assert answer.trace.queries == (question, "Where was Edda Lindqvist born?")
    assert sources(answer) == ["edda"]
    assert engine.ask(question, history=history, rewrite="off").trace.queries == (question,)


def test_the_model_rewriter_falls_back(engine: Engine) -> None:
    """A random model's reply makes no sense; the question is asked all the same."""
    question = "Where was the person who is harbour master of Port Selwick today born?"
    answer = engine.ask(question, rewrite="model", top_k=1)
    assert answer.trace.queries[0] == question


def test_the_filter_drops_passages(engine: Engine) -> None:
    whole = engine.ask(QUESTION, top_k=6)
    filtered = engine.ask(QUESTION, top_k=6, filter="encoder")
    assert set(sources(filtered)) < set(sources(whole))
    assert sources(filtered)[0] == "harbour"


def test_memory_answers_without_retrieval(engine: Engine) -> None:
    first = engine.ask(QUESTION, question_cache=True)
    again = engine.ask(QUESTION, question_cache=True)
    assert (first.trace.is_from_cache, again.trace.is_from_cache) == (False, True)
    assert (first.trace.num_retrieved, again.trace.num_retrieved) == (3, 0)
    assert set(sources(again)) == set(sources(first))
    assert not engine.ask(QUESTION).trace.is_from_cache
    engine.remove([first.citations[0].source])
    later = engine.ask(QUESTION, question_cache=True)
    assert not later.trace.is_from_cache
    assert first.citations[0].source not in [citation.source for citation in later.citations]


def test_memory_outlives_the_engine(engine: Engine, embeddings: Any, tiny: TransformersGenerator) -> None:
    engine.ask(QUESTION, question_cache=True)
    with Engine.open(engine.library.folder, embeddings=embeddings, generator=tiny, question_cache=True) as other:
        assert other.ask(QUESTION, max_tokens=4).trace.is_from_cache


def test_abstention(engine: Engine) -> None:
    events = list(engine.stream("Zebras quantum?", abstain=True))
    assert len(events) == 1
    answer = events[0]
    assert isinstance(answer, Answer)
    assert (answer.is_abstained, answer.text, answer.citations) == (True, ABSTENTION, ())
    assert len(answer.dropped) == 3
    assert "generate" in answer.timings_ms or answer.tokens.generated == 0
    assert not engine.ask("The mill was built in 1764", abstain=True).is_abstained
    assert not engine.ask("Zebras quantum?").is_abstained


def test_a_mixed_batch_answers_each_as_alone(engine: Engine) -> None:
    queries = [
        engine.query(QUESTION, retrieval="graph"),
        engine.query("Zebras quantum?", abstain=True),
        engine.query("When was the mill built?", filter="encoder", retrieval="dense", top_k=1),
        engine.query("When does the bell ring?", retrieval="sparse"),
    ]
    batch = dict(
        event for event in engine.pipeline.run([new_state(query) for query in queries]) if isinstance(event[1], Answer)
    )
    for index, query in enumerate(queries):
        ((_, alone),) = [event for event in engine.pipeline.run([new_state(query)]) if isinstance(event[1], Answer)]
        assert batch[index].text == alone.text
        assert sources(batch[index]) == sources(alone)
        assert batch[index].is_abstained == alone.is_abstained == (index == 1)


def test_ten_thousand_words_find_passages(engine: Engine) -> None:
    whole = engine.retrieve(["harbour master " * 5_000], top_k=2)[0]
    assert whole[0].passage.text == TEXTS["harbour"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retrieval": "magic"}, "retrieval='magic'; expected one of hybrid, dense, sparse, graph"),
        ({"rewrite": 3}, "rewrite=3"),
        ({"filter": "all"}, "filter='all'"),
        ({"abstain": "yes"}, "abstain='yes'"),
        ({"question_cache": 1}, "question_cache=1"),
        ({"top_k": "many"}, "top_k='many'"),
        ({"top_k": True}, "top_k=True"),
        ({"tau": 0.5}, "unknown option 'tau'; known are history, top_k, decoder, patches, conflict_report, verdict"),
    ],
)
def test_refusals(engine: Engine, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        engine.ask(QUESTION, **options)


def test_a_given_retriever_has_no_memory(tmp_path: Path, tiny: TransformersGenerator) -> None:
    class Fixed(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document("about w5", metadata={"source": "web"}, id="1")]

    with Engine.open(tmp_path, retriever=Fixed(), generator=tiny, max_tokens=4) as engine:
        for option in ({"question_cache": True}, {"retrieval": "graph"}):
            with pytest.raises(SettingError, match="needs the library's own retrievers"):
                engine.ask("w5?", **option)
        answer = engine.ask("w5?")
    assert [stage.stage for stage in answer.trace.stages] == ["Fixed"]
