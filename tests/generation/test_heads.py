"""What prompts begin with: read once for each skill, shared only where all prompts of a group begin with it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rag.core.query import Message
from rag.generation.adapters.adapter import Adapter
from rag.generation.base import Prompt
from rag.generation.transformers.heads import Heads, find_heads
from tests.generation.conftest import tiny_model

LONG, SHORT = (1, 2, 3, 4), (1, 2)
SKILL, PATCH = Adapter("skill", (), is_lasting=True), Adapter("patch", ())


class Reading:
    """Counts what is read."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    def __call__(self, prompt: Prompt) -> list[tuple[torch.Tensor, torch.Tensor]]:
        self.prompts.append(prompt)
        return []


def shared(heads: Heads, prompts: Sequence[Prompt], read: Reading) -> tuple[int, ...] | None:
    head = heads.share(prompts, read)
    return head.ids if head else None


def test_the_longest_common_head_is_read_once() -> None:
    heads, read = Heads(lambda: [LONG, SHORT]), Reading()
    both = [Prompt((*LONG, 9)), Prompt((*LONG, 8, 7), salt="another tenant")]
    assert shared(heads, both, read) == shared(heads, both, read) == LONG
    assert shared(heads, [*both, Prompt((*SHORT, 9))], read) == SHORT
    assert read.prompts == [Prompt(LONG), Prompt(SHORT)]


def test_a_skill_reads_its_own_head_and_patches_read_none() -> None:
    heads, read = Heads(lambda: [SHORT]), Reading()
    assert shared(heads, [Prompt((*SHORT, 9), SKILL)], read) == SHORT
    assert shared(heads, [Prompt((*SHORT, 9))], read) == SHORT
    assert shared(heads, [Prompt((*SHORT, 9), PATCH)], read) is None
    assert shared(heads, [Prompt((*SHORT, 9), SKILL), Prompt((*SHORT, 9))], read) is None
    assert [prompt.adapter for prompt in read.prompts] == [SKILL, None]


def test_a_token_is_left_to_read() -> None:
    assert shared(Heads(lambda: [SHORT]), [Prompt(SHORT)], Reading()) is None


def test_a_window_of_attention_has_no_heads() -> None:
    def encode(messages: Sequence[Message]) -> tuple[int, ...]:
        return tuple(map(ord, f"a template of some length: {messages[0].content}"))

    assert len(find_heads(encode, tiny_model("llama"))) == 2
    assert find_heads(encode, tiny_model("gemma3-window")) == []
