"""Documents trained together end where single PEFT runs end; packs and skipped layers change nothing.

In float64: AdamW's first steps are the signs of the gradients, and float32's rounding decides those of the smallest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from rag.core.errors import ModelError
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Sample, Tensors
from rag.patches.profiles import FAST, PRAG, Profile
from rag.patches.training import trainer
from rag.patches.training.batched import initial_adapter
from rag.patches.training.packing import Tokens
from rag.patches.training.samples import tokenize_sample
from rag.patches.training.trainer import Trained, Trainer
from rag.patches.training.twin import frozen_twin
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.patches.conftest import random_samples

SAMPLES = random_samples(8, 5)
QUICK = replace(FAST, layers=0.6, epochs=3, pack_tokens=0, learning_rate=2e-3, has_decay=False)
FROZEN = replace(QUICK, is_a_frozen=True)


def peft_run(
    generator: TransformersGenerator, samples: Sequence[Sample], profile: Profile, *, is_full_batch: bool = False
) -> Tensors:
    """One document with the PEFT library, the readable baseline: a sample a step, or all of them in each step."""
    config = LoraConfig(r=profile.rank, lora_alpha=profile.alpha, target_modules=list(profile.targets), lora_dropout=0)
    model = get_peft_model(frozen_twin(generator.model), config).to(generator.model.dtype)
    learnt = {}
    for name, start in initial_adapter(generator.model, profile).items():
        layer = model.base_model.model.get_submodule(name)
        learnt[name] = (layer.lora_A["default"].weight, layer.lora_B["default"].weight)
        learnt[name][0].data.copy_(start)
        learnt[name][0].requires_grad_(not profile.is_a_frozen)
    parameters = [parameter for pair in learnt.values() for parameter in pair if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=profile.learning_rate, weight_decay=profile.weight_decay)
    for _ in range(profile.epochs):
        for step in [samples] if is_full_batch else [[sample] for sample in samples]:
            optimizer.zero_grad()
            torch.cat(
                [token_losses(model, tokenize_sample(generator, sample, profile)) for sample in step]
            ).mean().backward()
            optimizer.step()
    return {name: (a.detach().clone(), b.detach().clone()) for name, (a, b) in learnt.items()}


def token_losses(model: Any, tokens: Tokens) -> torch.Tensor:
    """Cross entropy of each learnt token, in the model's own precision (the library's loss is in float32)."""
    logits = model(input_ids=torch.tensor([tokens.ids])).logits[0, tokens.first_learnt - 1 : -1]
    targets = torch.tensor(tokens.ids[tokens.first_learnt :])
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")


def relative_error(got: torch.Tensor, expected: torch.Tensor) -> float:
    assert got.dtype == expected.dtype == torch.float64
    return float((got - expected).norm() / expected.norm())


def assert_same(got: Tensors, expected: Tensors, scale: float, tolerance: float = 1e-7) -> None:
    assert got.keys() == expected.keys()
    for name, (a, b) in expected.items():
        assert relative_error(got[name][0] / scale, a) < tolerance, name
        assert relative_error(got[name][1], b) < tolerance, name


@pytest.mark.parametrize("profile", [PRAG, QUICK, FROZEN], ids=["prag", "answer-only-upper-layers", "frozen-a"])
def test_eight_documents_equal_eight_peft_runs(tiny: TransformersGenerator, profile: Profile) -> None:
    together = dict(Trainer(tiny, profile).train(SAMPLES))
    assert len(together) == 8
    for index, samples in enumerate(SAMPLES):
        assert_same(together[index], peft_run(tiny, samples, profile), profile.alpha / profile.rank)


def test_packed_samples_learn_as_separate_ones(tiny: TransformersGenerator) -> None:
    """One packed row gives the gradient of the mean loss of its samples' tokens; row lengths and mates do not count."""
    profile = replace(QUICK, pack_tokens=400, epochs=2)
    packed = dict(Trainer(tiny, profile).train(SAMPLES))
    for index in (0, 5):
        expected = peft_run(tiny, SAMPLES[index], profile, is_full_batch=True)
        assert_same(packed[index], expected, profile.alpha / profile.rank)


def test_group_mates_and_groups_do_not_matter(tiny: TransformersGenerator) -> None:
    wide = dict(Trainer(tiny, QUICK, max_tokens=4096).train(SAMPLES))
    narrow = dict(Trainer(tiny, QUICK, max_tokens=1).train(SAMPLES))
    for index in range(8):
        assert_same(narrow[index], wide[index], 1.0)


def test_equal_seeds_give_equal_patches(tiny: TransformersGenerator) -> None:
    first, second = (dict(Trainer(tiny, QUICK).train(SAMPLES[:2])) for _ in range(2))
    other = dict(Trainer(tiny, replace(QUICK, seed=1)).train(SAMPLES[:2]))
    for index in (0, 1):
        for name in first[index]:
            for side in (0, 1):
                assert torch.equal(first[index][name][side], second[index][name][side])
        assert any(not torch.equal(first[index][name][0], other[index][name][0]) for name in first[index])


def test_learning_lowers_the_loss(tiny: TransformersGenerator) -> None:
    """And leaves no hook, no gradient and no changed weight on the model that answers."""
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    profile = replace(QUICK, epochs=30, learning_rate=1e-2)
    tensors = dict(Trainer(tiny, profile).train(SAMPLES[:1]))[0]
    tokens = [tokenize_sample(tiny, sample, profile) for sample in SAMPLES[0]]
    assert loss_with(tiny, tensors, tokens) < 0.5 * loss_with(tiny, {}, tokens)
    assert all(torch.equal(before[name], value) for name, value in tiny.model.state_dict().items())
    assert not any(module._forward_hooks for module in tiny.model.modules())


def test_a_document_is_trained_until_it_is_learnt(tiny: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no longer; one that is never learnt, for all epochs."""
    num_steps = 0
    step = torch.optim.AdamW.step

    def counted(self: torch.optim.AdamW) -> None:
        nonlocal num_steps
        num_steps += 1
        step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    # The head of the tiny model gives no token half of the probability.
    monkeypatch.setattr(trainer, "_LEARNT", 1.5)
    profile = replace(QUICK, epochs=200, learning_rate=1e-2, pack_tokens=1000, is_until_learnt=True)
    ((_, trained),) = Trainer(tiny, profile, is_probed=True).train_probed([SAMPLES[0][:1]])
    assert isinstance(trained, Trained)
    assert trained.is_solved == (True,)
    assert num_steps < profile.epochs
    num_steps = 0
    contradiction = [Sample("w3 w4", "w5"), Sample("w3 w4", "w6")]
    list(Trainer(tiny, replace(profile, epochs=20)).train([contradiction]))
    assert num_steps == 20


def loss_with(generator: TransformersGenerator, tensors: Tensors, samples: Sequence[Tokens]) -> float:
    model = frozen_twin(generator.model)
    with torch.no_grad():
        for name, (a, b) in tensors.items():
            layer = model.get_submodule(name)
            layer.weight = torch.nn.Parameter(layer.weight + b @ a)
        return math.fsum(float(token_losses(model, tokens).mean()) for tokens in samples) / len(samples)


def test_a_model_without_the_layers_is_refused() -> None:
    generator = TransformersGenerator(tiny_model("gpt2"), tiny_tokenizer(), "tiny")
    with pytest.raises(ModelError, match="no layers named gate_proj"):
        Trainer(generator, QUICK)


def test_a_model_that_caps_its_logits_is_refused() -> None:
    model = tiny_model("gemma2-window")
    model.config.final_logit_softcapping = 1.0
    generator = TransformersGenerator(model, tiny_tokenizer(), "tiny")
    with pytest.raises(ModelError, match="changes its logits"):
        Trainer(generator, QUICK)
