"""Rows that share an adapter: one block, or a merged copy of the model; the rows beside them stay the base."""

from __future__ import annotations

import pytest
import torch

from decoders.params import AdaCad, Plain
from rag.core.query import Sampling
from rag.generation.adapters.adapter import Adapter
from rag.generation.base import Request
from rag.generation.transformers import merged
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.lora import RowAdapters
from rag.generation.transformers.merged import MergedModels
from rag.generation.transformers.rows import group_by_length
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.patches.conftest import random_tensors

CONTEXT = tuple(range(20, 50))
QUESTION = tuple(range(40, 46))
# Which rows have the skill: all, a beginning, an end, and scattered ones.
LAYOUTS = [(1, 1, 1, 1), (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 1, 0), (0, 1, 0, 0)]


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")


def skill(tiny: TransformersGenerator, *, is_lasting: bool = True, scale: float = 1.0) -> Adapter:
    tensors = {name: (a.float() * scale, b.float()) for name, (a, b) in random_tensors(tiny, 4, 7).items()}
    return Adapter.single(f"skill {scale}", tensors, is_lasting=is_lasting)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_block_is_what_the_merged_weights_give(tiny: TransformersGenerator, layout: tuple[int, ...]) -> None:
    adapter = skill(tiny, is_lasting=False)
    ids = torch.arange(20, 20 + 4 * 12).reshape(4, 12)
    with torch.inference_mode():
        expected = merged.merge(tiny.model, adapter)(ids).logits
        base = tiny.model(ids).logits
        with RowAdapters(tiny.model).applied([adapter if has else None for has in layout]) as model:
            mixed = model(ids).logits
    for row, has in enumerate(layout):
        if has:
            torch.testing.assert_close(mixed[row], expected[row], atol=2e-5, rtol=1e-4)
        else:
            assert torch.equal(mixed[row], base[row])


def test_a_zero_adapter_is_the_base_bit_for_bit(tiny: TransformersGenerator) -> None:
    """As a block, as a merged copy, and in every decoder that reads memory beside it."""
    zero = skill(tiny, scale=0.0)
    sampling = Sampling(max_tokens=10)
    for decoder in (Plain(), AdaCad()):
        requests = [
            Request.pair(CONTEXT, QUESTION, decoder, sampling, context_adapter=adapter) for adapter in (None, zero)
        ]
        (base,), (changed,) = tiny.generate(requests[:1]), tiny.generate(requests[1:])
        assert changed == base


def test_a_copy_is_made_where_all_rows_share_a_skill(tiny: TransformersGenerator) -> None:
    copies, adapter = MergedModels(tiny.model), skill(tiny)
    model = copies.find([adapter, adapter])
    assert model is not None
    assert copies.find([adapter]) is model
    assert copies.find([adapter, None]) is None
    assert copies.find([None]) is None
    assert copies.find([skill(tiny, is_lasting=False)]) is None
    shared = dict(tiny.model.named_parameters())
    changed = {name.removesuffix(".weight") for name, weight in model.named_parameters() if weight is not shared[name]}
    assert changed == set(adapter.tensors)


def test_no_copy_where_it_would_be_rounded_or_memory_is_short(
    tiny: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tiny_model("llama").to(torch.bfloat16)
    assert MergedModels(half).find([skill(tiny)]) is None
    monkeypatch.setattr(merged, "_MEMORY_SHARE", 0.0)
    assert MergedModels(tiny.model).find([skill(tiny)]) is None


def test_answers_with_a_skill_do_not_depend_on_their_batch(tiny: TransformersGenerator) -> None:
    """Alone the row runs on the merged copy, beside rows of the base it runs as a block."""
    adapter, sampling = skill(tiny), Sampling(max_tokens=12)
    with_skill = Request.single(CONTEXT, sampling, adapter=adapter)
    without = Request.single(CONTEXT[:-2], sampling)
    (alone,) = tiny.generate([with_skill])
    beside, base = tiny.generate([with_skill, without])
    assert beside.token_ids == alone.token_ids
    assert [base] == tiny.generate([without])
    assert alone.token_ids != tiny.generate([Request.single(CONTEXT, sampling)])[0].token_ids


def test_prompts_with_a_skill_are_read_among_themselves() -> None:
    assert group_by_length([30, 29, 28, 9], ["s", None, "s", None]) == [[0, 2], [1], [3]]
    assert group_by_length([30, 29, 28, 9]) == [[0, 1, 2], [3]]
