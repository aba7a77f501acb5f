"""The question cache through the engine, in every kind of library."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document

from rag.engine import Engine
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer

QUESTION = "Who is the harbour master of Port Selwick?"
TEXTS = {
    "harbour": "The harbour master of Port Selwick is Edda Lindqvist.",
    "edda": "Edda Lindqvist was born in a lighthouse.",
    "mill": "The mill was built in 1764.",
}


def test_a_question_is_known_again(place: str, embeddings: Any) -> None:
    tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=4096)
    settings: dict[str, Any] = {"embeddings": embeddings, "generator": tiny, "max_tokens": 2, "question_cache": True}
    with Engine.open(place, **settings) as engine:
        engine.add(Document(page_content=text, metadata={"source": name}) for name, text in TEXTS.items())
        first = engine.ask(QUESTION)
        assert not first.trace.is_from_cache
    with Engine.open(place, **settings) as engine:
        again = engine.ask(QUESTION)
        assert again.trace.is_from_cache
        assert {c.source for c in again.citations} == {c.source for c in first.citations}
        engine.remove([first.citations[0].source])
        later = engine.ask(QUESTION)
        assert not later.trace.is_from_cache
        assert first.citations[0].source not in [citation.source for citation in later.citations]
