"""A tiny random Llama with a word-level tokenizer, and samples in its words."""

from __future__ import annotations

import random

import pytest
import torch

from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Sample, Tensors
from tests.generation.conftest import VOCAB, tiny_model, tiny_tokenizer


@pytest.fixture(scope="session")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")


def words(rng: random.Random, low: int, high: int) -> str:
    return " ".join(f"w{rng.randrange(3, VOCAB)}" for _ in range(rng.randrange(low, high)))


def random_samples(num_documents: int, num_samples: int, seed: int = 0) -> list[list[Sample]]:
    """Documents of as many samples each, every other one with a passage; lengths differ."""
    rng = random.Random(seed)
    return [
        [
            Sample(words(rng, 2, 9), words(rng, 1, 4), words(rng, 5, 20) if number % 2 else "")
            for number in range(num_samples)
        ]
        for _ in range(num_documents)
    ]


def random_tensors(tiny: TransformersGenerator, rank: int, seed: int, layers: tuple[int, ...] = (0, 1, 2)) -> Tensors:
    """An adapter whose change is large enough to move tokens."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64) * 0.2

    names = [f"model.layers.{layer}.mlp.{part}_proj" for layer in layers for part in ("gate", "up", "down")]
    modules = [tiny.model.get_submodule(name) for name in names]
    return {
        name: (normal(rank, module.in_features), normal(module.out_features, rank))
        for name, module in zip(names, modules, strict=True)
    }
