"""Replies that are known beforehand: their log probabilities, against a plain forward."""

from __future__ import annotations

import pytest
import torch

from rag.core.errors import SettingError
from rag.core.query import Sampling
from rag.generation.base import Generation, Request, Scorer
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer

PROMPT, OTHER = tuple(range(3, 40)), tuple(range(50, 62))
REPLIES = [(7, 8, 9, 1), (7, 8, 30, 1), (5, 1), (7, 8)]


@pytest.fixture(scope="module")
def llama() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", max_rows=8)


def logprobs(generation: Generation) -> list[float]:
    return [step.context_logprob for step in generation.steps if step.context_logprob is not None]


def expected(prompt: tuple[int, ...], reply: tuple[int, ...]) -> list[float]:
    with torch.inference_mode():
        rows = tiny_model("llama")(torch.tensor([[*prompt, *reply]])).logits[0].log_softmax(dim=-1)
    return [float(rows[len(prompt) - 1 + i, token]) for i, token in enumerate(reply)]


def test_equals_a_plain_forward(llama: TransformersGenerator) -> None:
    requests = [Request.reply(prompt, reply) for prompt in (PROMPT, OTHER) for reply in REPLIES]
    wanted = [expected(prompt, reply) for prompt in (PROMPT, OTHER) for reply in REPLIES]
    for generation, values in zip(llama.generate(requests), wanted, strict=True):
        assert logprobs(generation) == pytest.approx(values, abs=1e-5)


def test_the_tokens_are_those_that_were_given(llama: TransformersGenerator) -> None:
    generations = llama.generate([Request.reply(PROMPT, reply) for reply in REPLIES])
    assert [item.token_ids for item in generations] == [(7, 8, 9), (7, 8, 30), (5,), (7, 8)]
    assert [item.finish_reason for item in generations] == ["stop", "stop", "stop", "length"]


def test_a_free_answer_beside_it_stays_as_it_is(llama: TransformersGenerator) -> None:
    free = Request.single(PROMPT, Sampling(max_tokens=6))
    alone = llama.generate([free])[0]
    beside = llama.generate([Request.reply(PROMPT, REPLIES[0]), free, Request.reply(PROMPT, REPLIES[1])])[1]
    assert beside.token_ids == alone.token_ids


def test_a_reply_needs_a_token() -> None:
    with pytest.raises(SettingError, match="max_tokens"):
        Request.reply(PROMPT, ())


def test_a_reply_ends_as_the_model_would_end_it(llama: TransformersGenerator) -> None:
    assert isinstance(llama, Scorer)
    plain = llama.encode_reply("w7 w8")
    assert plain[:2] == (7, 8)
    chat = TransformersGenerator(tiny_model("llama"), chat_tokenizer(), "tiny")
    assert chat.encode_reply("w7 w8") == (7, 8, 1)


def chat_tokenizer() -> object:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    return tokenizer
