"""Rows under prefill, fork and leave, checked against a fresh prefill of the same tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch

from rag.generation.base import Prompt
from rag.generation.transformers.bands import Row
from rag.generation.transformers.heads import Heads
from rag.generation.transformers.rows import RowBatch, group_by_length
from tests.generation.conftest import VOCAB, tiny_model


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("architecture", ["llama", "gemma3-window", "bloom"])
@pytest.mark.parametrize("head", [(), (5, 7, 6)], ids=["", "head"])
def test_random_life(architecture: str, head: tuple[int, ...]) -> None:
    """Random joins, forks and leaves; every live row's logits equal those of its whole sequence read afresh."""
    if head and "window" in architecture:
        pytest.skip("prompts of a model whose attention has a window share no head")
    rng = random.Random(4)
    model = tiny_model(architecture)
    batch = RowBatch(model, heads=Heads(lambda: [head] if head else []))
    texts: dict[Row, list[int]] = {}
    for turn in range(30):
        if turn % 6 == 0 or not texts:
            prompts = [(*head, *(rng.randrange(3, VOCAB) for _ in range(rng.randrange(2, 30)))) for _ in range(3)]
            rows, logits = batch.prefill([Prompt(prompt) for prompt in prompts])
            for row, prompt in zip(rows, prompts, strict=True):
                texts[row] = list(prompt)
                assert_fresh(model, texts[row], logits[row.index])
        children = [
            (row, token)
            for row in texts
            for token in rng.sample(range(3, VOCAB), rng.choice((0, 1, 1, 1, 2)) if len(texts) > 1 else 1)
        ][:12]
        before = {row: list(tokens) for row, tokens in texts.items()}
        placed = batch.advance(children)
        texts = {row: [*before[parent], token] for row, (parent, token) in zip(placed, children, strict=True)}
        assert batch.num_rows == len(texts)
        if not texts:
            continue
        logits = batch.step()
        for row, tokens in texts.items():
            assert_fresh(model, tokens, logits[row.index])


def assert_fresh(model: torch.nn.Module, tokens: list[int], logits: torch.Tensor) -> None:
    fresh = model(input_ids=torch.tensor([tokens])).logits[0, -1]
    torch.testing.assert_close(logits, fresh, atol=2e-4, rtol=1e-4)


def test_groups_hold_alike_lengths() -> None:
    lengths = [900, 40, 38, 880, 700, 41, 100]
    groups = group_by_length(lengths)
    assert groups == [[0, 3, 4], [6], [5, 1, 2]]
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))


def test_a_group_is_bounded() -> None:
    assert max(map(len, group_by_length([1000] * 10))) == 4
