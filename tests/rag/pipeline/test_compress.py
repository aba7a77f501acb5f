"""Excerpts are what a model reads; the answer speaks of the whole passages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag import Engine, Passage
from rag.core.errors import SettingError
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer

QUESTION = "Who is the harbour master of Port Selwick?"
FILLER = " ".join(f"The barn number {number} is painted green and stands empty." for number in range(6))
PASSAGES = [
    Passage("a:0", "a", "a.txt", "", f"{FILLER} The harbour master of Port Selwick is Edda Lindqvist.", 5),
    Passage("b:0", "b", "b.txt", "", f"The harbour master of Port Selwick is Tomas Orrel. {FILLER}", 9),
]


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any) -> Iterator[Engine]:
    tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=1024)
    settings = {"max_tokens": 4, "decoder": "plain", "skill": "none"}
    with Engine.open(tmp_path / "library", embeddings=embeddings, generator=tiny, **settings) as engine:
        yield engine


def test_the_prompt_is_shorter_and_everything_else_is_whole(engine: Engine) -> None:
    (whole,) = engine.answer_with([QUESTION], [PASSAGES])
    (short,) = engine.answer_with([QUESTION], [PASSAGES], compress=0.3)
    assert short.tokens.context_prompt < 0.5 * whole.tokens.context_prompt
    assert short.tokens.parametric_prompt == whole.tokens.parametric_prompt
    assert "compress" in short.timings_ms
    assert short.citations == whole.citations
    assert short.verdict is not None
    assert whole.verdict is not None
    assert short.verdict.positions == whole.verdict.positions
    assert {position.answer for position in short.verdict.positions} == {"Edda Lindqvist", "Tomas Orrel"}


def test_more_passages_fit_the_window(engine: Engine) -> None:
    many = [PASSAGES[0], *(Passage(f"{n}:0", f"{n}", "c.txt", "", FILLER * 5) for n in range(3))]
    (whole,) = engine.answer_with([QUESTION], [many])
    (short,) = engine.answer_with([QUESTION], [many], compress=0.2)
    assert whole.dropped
    assert not short.dropped


@pytest.mark.parametrize("share", [0, -0.5, 1.5, True, "half"])
def test_a_share_is_checked(engine: Engine, share: Any) -> None:
    with pytest.raises(SettingError, match=r"compress=.*above 0, up to 1"):
        engine.query(QUESTION, compress=share)
