"""Other models in the default's place, and the conversion of the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rag.core.errors import ModelError
from rag.core.query import Message
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.load import load_generator
from rag.models.packed import PackedLinear
from rag.models.resolve import resolve_encoder
from rag.models.sentence_encoder import load_encoder
from tests.generation.conftest import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.real


@pytest.mark.parametrize("architecture", ["mistral-window", "gpt2", "gemma3-window"])
def test_a_local_folder_answers(architecture: str, tmp_path: Path, embeddings: Any) -> None:
    """A base model without a chat template, with a window shorter than the prompt and a tokenizer that adds BOS."""
    folder = tmp_path / "model"
    tiny_model(architecture).save_pretrained(folder)
    tiny_tokenizer(adds_bos=True).save_pretrained(folder)
    (tmp_path / "doc.txt").write_text("w5 w6 w7 w8 w9")
    with Engine.open(tmp_path / "library", model=str(folder), embeddings=embeddings, max_tokens=8) as engine:
        engine.add(tmp_path / "doc.txt")
        answer = engine.ask("w5 w6?")
        assert answer.tokens.generated > 0
        assert engine.generator.encode([Message("user", "w5")])[0] == 2


def test_the_default_generator_is_a_chat_model(generator: Any) -> None:
    assert generator.name == "SmolLM2-135M-Instruct"
    assert generator.window == 8192
    assert generator.default_stop == ()


@pytest.mark.parametrize("name", ["no-such/model", "/nowhere/at/all"])
def test_an_unknown_model_is_one_line(name: str) -> None:
    for load in (load_generator, load_encoder):
        with pytest.raises(ModelError) as caught:
            load(Config(model=name, encoder=name))
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_default_encoder_is_packed() -> None:
    model, _ = load_encoder(Config(device="cpu"))
    assert any(isinstance(layer, PackedLinear) for layer in model.modules())
    assert not any(type(layer) is torch.nn.Linear for layer in model[0].auto_model.encoder.modules())


def test_an_encoder_is_no_generator() -> None:
    with pytest.raises(ModelError):
        load_generator(Config(model=resolve_encoder(Config())[1]))
