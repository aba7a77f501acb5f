"""Adapters by row: a mixed batch equals single runs on merged weights; rows without one equal the base."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Memory, Plain
from rag.core.errors import PatchError
from rag.core.query import Sampling
from rag.generation.base import Adapter, Prompt, Request
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.lora import RowAdapters, stack_ranks
from rag.generation.transformers.rows import RowBatch
from rag.patches.training.twin import frozen_twin
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.oracles import twin
from tests.patches.conftest import random_tensors

CONTEXT = tuple(range(20, 50))
QUESTION = tuple(range(40, 46))
EOS = frozenset([1])


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", max_rows=8)


def adapter(tiny: TransformersGenerator, rank: int, seed: int, layers: tuple[int, ...] = (0, 1, 2)) -> Adapter:
    return Adapter.single(f"a{seed}", random_tensors(tiny, rank, seed, layers))


def merged(tiny: TransformersGenerator, patch: Adapter | None) -> torch.nn.Module:
    model = frozen_twin(tiny.model)
    for name, (a, b) in (patch.tensors if patch else {}).items():
        layer = model.get_submodule(name)
        layer.weight = torch.nn.Parameter(layer.weight + b @ a, requires_grad=False)
    return model


@pytest.mark.parametrize("architecture", ["llama", "gemma3-window"])
def test_mixed_rows_equal_single_runs(architecture: str) -> None:
    """Prompts of alike and of other lengths, two adapters of unlike ranks and layers, and rows with none."""
    tiny = TransformersGenerator(tiny_model(architecture), tiny_tokenizer(), "tiny")
    first, second = adapter(tiny, 2, 1), adapter(tiny, 5, 2, layers=(1, 2))
    prompts = [(CONTEXT, None), (CONTEXT, first), (CONTEXT[:-1], second), (QUESTION, None), (QUESTION, second)]
    with torch.inference_mode():
        batch = RowBatch(tiny.model)
        rows, logits = batch.prefill([Prompt(*prompt) for prompt in prompts])
        for (ids, patch), row in zip(prompts, rows, strict=True):
            expected = merged(tiny, patch)(torch.tensor([ids])).logits[0, -1]
            torch.testing.assert_close(logits[row.index], expected, atol=2e-5, rtol=2e-5)
        batch.advance([(row, 7) for row in rows])
        logits = batch.step()
        for (ids, patch), row in zip(prompts, rows, strict=True):
            expected = merged(tiny, patch)(torch.tensor([[*ids, 7]])).logits[0, -1]
            torch.testing.assert_close(logits[row.index], expected, atol=2e-4, rtol=1e-4)


def test_rows_without_an_adapter_are_the_base_bit_for_bit(tiny: TransformersGenerator) -> None:
    patch = adapter(tiny, 2, 1)
    ids = torch.tensor([CONTEXT, CONTEXT])
    with torch.inference_mode():
        base = tiny.model(ids).logits
        with RowAdapters(tiny.model).applied([None, patch]):
            mixed = tiny.model(ids).logits
    assert torch.equal(mixed[0], base[0])
    assert not torch.equal(mixed[1], base[1])
    assert not any(module._forward_hooks for module in tiny.model.modules())


RULES: list[tuple[DecoderParams, twin.Rule]] = [
    (Plain(), twin.plain),
    (Memory(), twin.memory),
    (Cad(), twin.cad(1.0)),
    (AdaCad(), twin.adacad),
    (CkPlug(0.25), twin.ckplug(0.25)),
    (CkPlug(), twin.ckplug(None)),
    (Coiecd(), twin.coiecd),
]


@pytest.mark.parametrize("context", [QUESTION, CONTEXT], ids=["equal prompts", "context and patch"])
def test_every_decoder_contrasts_patch_and_base(tiny: TransformersGenerator, context: tuple[int, ...]) -> None:
    """(base + patch) against base with EQUAL prompts, and (context + patch) against neither; all in one batch."""
    patch = adapter(tiny, 3, 4)
    patched, base = merged(tiny, patch), merged(tiny, None)
    expected = [contrast(patched, base, context, QUESTION, rule, 12) for _, rule in RULES]
    sampling = Sampling(max_tokens=12)
    requests = [Request.pair(context, QUESTION, params, sampling, context_adapter=patch) for params, _ in RULES]
    got = tiny.generate(requests)
    assert [list(result.token_ids) for result in got] == expected
    assert got[0].text == got[0].context_answer != got[0].memory_answer == got[1].text
    if context == QUESTION:
        assert max(step.jsd for step in got[3].steps) > 0.01


def contrast(
    patched: torch.nn.Module,
    base: torch.nn.Module,
    context: tuple[int, ...],
    parametric: tuple[int, ...],
    rule: twin.Rule,
    max_tokens: int,
) -> list[int]:
    """The twin's loop, with one model a stream."""
    tokens: list[int] = []
    with torch.inference_mode():
        while len(tokens) < max_tokens:
            z_c = patched(torch.tensor([[*context, *tokens]])).logits[0, -1]
            z_p = base(torch.tensor([[*parametric, *tokens]])).logits[0, -1]
            token = int(rule(z_c, z_p).argmax())
            if token in EOS:
                break
            tokens.append(token)
    return tokens


def test_both_streams_may_have_one(tiny: TransformersGenerator) -> None:
    first, second = adapter(tiny, 2, 1), adapter(tiny, 2, 2)
    request = Request.pair(
        QUESTION, QUESTION, Plain(), Sampling(max_tokens=8), context_adapter=first, parametric_adapter=second
    )
    alone = replace(request, decoder=Memory())
    got, other = tiny.generate([request, alone])
    assert got.memory_answer == other.text
    assert got.text != got.memory_answer


def test_an_adapter_of_another_model_is_refused(tiny: TransformersGenerator) -> None:
    patch = adapter(tiny, 2, 1)
    foreign = {"model.layers.9.mlp.up_proj": patch.tensors["model.layers.0.mlp.up_proj"]}
    narrow = {"model.layers.0.mlp.up_proj": patch.tensors["model.layers.0.mlp.down_proj"]}
    for tensors, message in ((foreign, "does not have"), (narrow, r"the model has \(64, 32\)")):
        broken = Adapter.single("broken", tensors)
        request = Request.pair(CONTEXT, QUESTION, Plain(), Sampling(max_tokens=2), context_adapter=broken)
        with pytest.raises(PatchError, match=message):
            tiny.generate([request])


def test_short_ranks_are_filled_with_zeros() -> None:
    a, b = stack_ranks([(torch.ones(1, 3), torch.ones(4, 1)), (torch.ones(2, 3), torch.ones(4, 2))])
    assert a.tolist()[0] == [[1, 1, 1], [0, 0, 0]]
    assert b.tolist()[0] == [[1, 0]] * 4
