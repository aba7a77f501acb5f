"""Composition equals the explicit sum of changes; recompression is the best there is, and says what it lost."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from safetensors.torch import load

from rag.generation.adapters.adapter import Adapter, AdapterPart, add_adapters
from rag.generation.adapters.compose import compose, sum_ranks, truncated
from rag.generation.adapters.packed import pack, parse_tensors
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.training.twin import frozen_twin
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.patches.conftest import random_tensors


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")


def change(tensors: Mapping[str, tuple[torch.Tensor, torch.Tensor]], layer: str) -> torch.Tensor:
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
    assert composed.rank == sum_ranks(pack(tensors) for tensors, weight in parts if weight) == 5
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


def test_a_skill_and_patches_add_up(tiny: TransformersGenerator) -> None:
    """Their layers, shapes and number types differ; the sum is named by its parts, in their order."""
    wide = {
        f"model.layers.{layer}.self_attn.q_proj": (torch.randn(5, 16), torch.randn(16, 5)) for layer in range(2)
    } | random_tensors(tiny, 5, 7, layers=(0, 2))
    skill = Adapter("skill", (AdapterPart(pack(wide), 0.5),))
    patch = Adapter("patch", (AdapterPart(pack(random_tensors(tiny, 2, 1)), 0.25),), max_rank=64)
    both = add_adapters([skill, None, patch])
    assert both is not None
    assert (both.rank, both.max_rank) == (7, 64)
    assert both.name != add_adapters([patch, skill]).name  # type: ignore[union-attr]
    for layer in {*wide, *patch.tensors}:
        expected = sum(change(one.tensors, layer).double() for one in (skill, patch) if layer in one.tensors)
        torch.testing.assert_close(change(both.tensors, layer).double(), expected)
    assert add_adapters([None, skill]) is skill
    assert add_adapters([None]) is None


def test_a_file_holds_the_content_and_names_it(tiny: TransformersGenerator) -> None:
    tensors = random_tensors(tiny, 2, 1)
    packed = pack(tensors)
    again = parse_tensors(load(packed.to_bytes()))
    assert again.digest == packed.digest == pack(dict(reversed(tensors.items()))).digest
    assert packed.digest != pack(random_tensors(tiny, 2, 2)).digest
    assert packed.num_bytes == sum(a.nbytes + b.nbytes for a, b in tensors.values())
    for layer, (a, b) in again.items():
        torch.testing.assert_close((a, b), tensors[layer])
    with pytest.raises(ValueError, match="no tensors"):
        parse_tensors({})
