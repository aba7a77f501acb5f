"""Composition equals the explicit sum of changes; recompression is the best there is, and says what it lost."""

from __future__ import annotations

import pytest
import torch

from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Tensors
from rag.patches.compose import compose, truncated
from rag.patches.training.twin import frozen_twin
from tests.patches.conftest import random_tensors


def change(tensors: Tensors, layer: str) -> torch.Tensor:
    a, b = tensors[layer]
    return b @ a


def logits_with(generator: TransformersGenerator, changes: dict[str, torch.Tensor]) -> torch.Tensor:
    model = frozen_twin(generator.model)
    with torch.inference_mode():
        for name, delta in changes.items():
            layer = model.get_submodule(name)
            layer.weight = torch.nn.Parameter(layer.weight + delta, requires_grad=False)
        logits: torch.Tensor = model(torch.arange(3, 40)[None]).logits
    return logits


def test_ranks_side_by_side_equal_the_sum(tiny: TransformersGenerator) -> None:
    """To 1e-5 in logits; the parts differ in rank and in the layers that they change."""
    parts = [
        (random_tensors(tiny, 2, 1), 1.0),
        (random_tensors(tiny, 3, 2, layers=(1, 2)), 0.25),
        (random_tensors(tiny, 4, 3), 0.0),
    ]
    composed = compose(parts, max_rank=8)
    assert composed.rank == 5
    assert composed.error == 0
    layers = random_tensors(tiny, 2, 1)
    summed = {
        layer: sum(
            (change(t, layer) * weight for t, weight in parts if layer in t), torch.tensor(0.0, dtype=torch.float64)
        )
        for layer in layers
    }
    got = {layer: change(composed.tensors, layer) for layer in composed.tensors}
    expected = logits_with(tiny, summed)
    assert (logits_with(tiny, got) - expected).abs().max() < 1e-5 * max(1.0, float(expected.abs().max()))
    assert (expected - logits_with(tiny, {})).abs().max() > 0.1


def test_patches_over_one_shared_a_add_up_at_its_rank(tiny: TransformersGenerator) -> None:
    first, second = random_tensors(tiny, 3, 1), random_tensors(tiny, 3, 2)
    second = {layer: (first[layer][0].clone(), b) for layer, (_, b) in second.items()}
    composed = compose([(first, 1.0), (second, 0.25)], max_rank=3)
    assert composed.rank == 3
    assert composed.error == 0
    for layer in first:
        expected = change(first, layer) + 0.25 * change(second, layer)
        assert torch.allclose(change(composed.tensors, layer), expected)


def test_weight_zero_takes_no_rank(tiny: TransformersGenerator) -> None:
    assert compose([(random_tensors(tiny, 2, 1), 0.0)], max_rank=8).tensors == {}


def test_recompression_is_the_best_approximation(tiny: TransformersGenerator) -> None:
    parts = [(random_tensors(tiny, 3, seed), 1.0) for seed in (1, 2, 3)]
    whole, cut = compose(parts, max_rank=9), compose(parts, max_rank=4)
    assert cut.rank == 4
    lost = total = 0.0
    for layer in whole.tensors:
        full = change(whole.tensors, layer)
        u, s, v = torch.linalg.svd(full)
        best = u[:, :4] @ torch.diag(s[:4]) @ v[:4]
        torch.testing.assert_close(change(cut.tensors, layer), best, atol=1e-4, rtol=1e-3)
        lost += float((full - best).square().sum())
        total += float(full.square().sum())
    assert cut.error == pytest.approx((lost / total) ** 0.5, rel=1e-3)


def test_a_low_rank_is_left_as_it_is() -> None:
    a, b = torch.randn(2, 5), torch.randn(7, 2)
    (kept_a, kept_b), (lost, _) = truncated(a, b, 2)
    assert kept_a is a
    assert kept_b is b
    assert lost == 0
