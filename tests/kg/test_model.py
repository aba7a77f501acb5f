"""The model-backed extractor: what it makes of good, odd and useless replies, and the real small model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from kg.model import ModelExtractor, read_reply
from rag.core.passages import Passage
from rag.core.query import Message
from rag.engine import Engine
from rag.generation.base import Generation, Generator, Request
from retrievers.graph.retriever import GraphRetriever

MILL = Passage("d:0", "d", "d", "Selwick Mill", "The mill was built by Ada Penrose in 1764, says Cora Vane.")


@dataclass
class ScriptedGenerator:
    """Replies as told, to test what no real model can be made to say; ``asked`` keeps the size of every batch."""

    replies: list[str]
    window: int = 1000
    name: str = "scripted"
    default_stop: tuple[str, ...] = ()
    asked: list[int] = field(default_factory=list)

    def encode_text(self, text: str) -> list[int]:
        return []

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        return tuple(range(len(messages[0].content) // 8))

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        self.asked.append(len(requests))
        replies = [self.replies.pop(0) for _ in requests]
        return [Generation(text, (), (), "stop") for text in replies]


def reading(text: str, finish: Any = "stop") -> Any:
    return read_reply(Generation(text, (), (), finish), MILL)


def test_a_good_reply() -> None:
    read = reading(
        'Sure!\n```json\n{"entities": ["Cora Vane"], "triples": [["Ada Penrose", "built", "mill"]]}\n``` Bye'
    )
    assert [triple.claim for triple in read.triples] == [("ada penrose", "built", "mill")]
    assert {m.entity for m in read.mentions} >= {"selwick mill", "cora vane", "ada penrose", "mill"}
    assert read.rejected == ()
    for mention in read.mentions:
        if mention.source.end:
            assert MILL.text[mention.source.start : mention.source.end].lower() == mention.entity


def test_what_the_passage_does_not_name_is_left_out() -> None:
    read = reading('{"entities": ["Paris"], "triples": [["Ada Penrose", "built", "Eiffel Tower"]]}')
    assert "paris" not in {mention.entity for mention in read.mentions}
    assert read.triples == ()
    assert "Eiffel Tower" in read.rejected[0]


def test_bad_items_are_listed_and_good_ones_kept() -> None:
    claim = '["Ada Penrose", "built", "mill"]'
    read = reading(f'{{"entities": [7], "triples": [{claim}, ["a", "b"], {claim}, "x"]}}')
    assert [triple.relation for triple in read.triples] == ["built"]
    assert len(read.rejected) == 3


@pytest.mark.parametrize(
    "text", ["", "no idea", "{", '{"entities": "Ada"}', "[1, 2]", '{"a": 1}', "null", "{" * 5000, '{"triples": [["a",']
)
def test_useless_replies_are_listed(text: str) -> None:
    read = reading(text, "length")
    assert (read.mentions, read.triples, len(read.rejected)) == ((), (), 1)
    assert "cut off" in read.rejected[0]


@given(st.text(max_size=80))
def test_any_reply_is_read_without_error(text: str) -> None:
    assert reading(text).passage_id == "d:0"
    assert reading('{"entities": [' + text).passage_id == "d:0"


def test_batches_and_passages_that_do_not_fit() -> None:
    replies = ['{"entities": ["Ada Penrose"]}', "nothing", '{"entities": ["Cora Vane"]}']
    generator = ScriptedGenerator(replies)
    extractor = ModelExtractor(generator, batch_size=2)  # type: ignore[arg-type]
    long = Passage("e:0", "e", "e", "", "word " * 5000)
    read = extractor.extract([MILL, long, MILL, MILL])
    assert generator.asked == [2, 1]
    assert [len(item.rejected) for item in read] == [0, 1, 1, 0]
    assert "do not fit the window" in read[1].rejected[0]
    assert "cora vane" in {mention.entity for mention in read[3].mentions}
    assert extractor.fingerprint != ModelExtractor(generator, max_tokens=9).fingerprint  # type: ignore[arg-type]


@pytest.mark.real
def test_the_small_model_is_read_without_error(generator: Generator) -> None:
    """However well it writes: every passage gets an extraction, or is listed with the reason."""
    other = Passage("e:0", "e", "e", "Ferry", "The ferry to Selwick leaves at noon. Edda Lindqvist runs it.")
    extractor = ModelExtractor(generator, max_tokens=64)
    read = extractor.extract([MILL, other])
    assert [item.passage_id for item in read] == ["d:0", "e:0"]
    assert all(item.mentions or item.triples or item.rejected for item in read)
    assert read[1] == extractor.extract([other])[0]


def test_the_engine_reads_with_the_model_once(tmp_path: Path, embeddings: Any) -> None:
    """Chosen by a setting; what the model said is kept, so that the next process asks it nothing."""
    reply = '{"entities": ["Ada Penrose"], "triples": [["Ada Penrose", "built", "mill"]]}'
    document = Document(page_content=MILL.text, metadata={"source": "mill", "title": MILL.title})
    for generator in (ScriptedGenerator([reply]), ScriptedGenerator([])):
        settings: dict[str, Any] = {"embeddings": embeddings, "retrieval": "graph", "extractor": "model"}
        with Engine.open(tmp_path, generator=generator, **settings) as engine:  # type: ignore[arg-type]
            engine.add([document])
            engine.retrieve(["Who built the mill?"])
            graph = GraphRetriever(library=engine.library, encoder=None, extractors=engine.extractors).graph
            assert ("ada penrose", "built", "mill") in graph.claims
            assert "cora vane" in graph.entities  # by the rules, beside what the model said
    with Engine.open(tmp_path, embeddings=embeddings, retrieval="graph") as engine:
        assert GraphRetriever(library=engine.library, encoder=None, extractors=engine.extractors).graph.claims == ()
