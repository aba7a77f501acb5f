"""Adapters in vLLM: rows with one, with another and with none in one batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed")

from decoders.params import AdaCad, Cad, Plain
from decoders.vllm_plugin.adapters import STEP, add_lora_linear
from rag.core.errors import SettingError
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.core.settings.config import Config
from rag.generation.base import Adapter, Request
from rag.generation.load import load_generator


def test_rows_without_an_adapter_stay_as_they_are() -> None:
    generator = torch.Generator().manual_seed(0)
    slots, num_in, rank, widths = 3, 16, 4, (8, 24)
    a = tuple(torch.randn(slots, 1, rank, num_in, generator=generator) for _ in widths)
    b = tuple(torch.randn(slots, 1, width, rank, generator=generator) for width in widths)
    x = torch.randn(6, num_in, generator=generator)
    before = torch.randn(6, sum(widths), generator=generator)
    of_rows = torch.tensor([-1, 0, 2, -1, 0, 1])
    a[1][2, 0, 3:] = 0  # a smaller rank
    a[0][1] = 0  # an adapter that does not change this slice
    for ids in ((7, 8, 9), (7, 9, 8)):  # then other adapters in the slots
        after = before.clone()
        STEP.begin(of_rows, ids)
        add_lora_linear(None, after, x, a, b, 0.5, widths)
        for row, slot in enumerate(of_rows.tolist()):
            change = torch.cat([0.5 * bs[slot, 0] @ (as_[slot, 0] @ x[row]) for as_, bs in zip(a, b, strict=True)])
            expected = before[row] if slot < 0 else before[row] + change
            torch.testing.assert_close(after[row], expected)
        for one in (*a, *b):
            one[1:] = one[1:].flip(0)


def test_rows_without_an_adapter_are_wrong_in_vllm_0_32_and_right_later() -> None:
    """Once 0.32 is no longer supported, only speed speaks for products of our own."""
    import vllm
    from vllm.lora.ops.torch_ops import bgmv_shrink

    weights, out = torch.randn(2, 1, 4, 16), torch.zeros(1, 4)
    x = torch.randn(1, 16)
    bgmv_shrink(x, weights, out, torch.tensor([-1]))
    is_wrong = vllm.__version__.startswith("0.32.")
    torch.testing.assert_close(out[0], weights[-1, 0] @ x[0] if is_wrong else torch.zeros(4))


@pytest.fixture(scope="module")
def vllm() -> Iterator[Any]:
    options = {"max_num_seqs": 32, "max_model_len": 512, "enable_lora": True, "max_loras": 3, "max_lora_rank": 8}
    engine = load_generator(Config(engine="vllm", engine_options=options))
    yield engine
    engine.close()


@pytest.mark.real
def test_pairs_plain_requests_and_adapters_share_a_batch(
    vllm: Any, generator: Any, adapters: list[Adapter], facts: list[dict[str, Any]]
) -> None:
    """Every way in which a row can have an adapter, in one batch, against the transformers generator."""
    requests = []
    for number, fact in enumerate(facts[:9]):
        pair = build_prompts(fact["question"], [Passage("p:0", "p", "s", "", fact["conflicting_context"])])
        ids = vllm.encode(pair.context), vllm.encode(pair.parametric)
        base = Request.pair(*ids, (AdaCad(), Cad(), Plain())[number % 3], Sampling(max_tokens=10))
        one, other = adapters[number % 2], adapters[1 - number % 2]
        requests += [
            base,
            base.with_adapter("context", one),
            # The patch against the base, over equal prompts; and two patches against each other.
            Request.pair(ids[1], ids[1], base.decoder, base.sampling, context_adapter=one),
            base.with_adapter("context", one).with_adapter("parametric", other),
        ]
    expected, answers = generator.generate(requests), vllm.generate(requests)
    assert [answer.token_ids for answer in answers] == [answer.token_ids for answer in expected]
    assert [answer.memory_answer for answer in answers] == [answer.memory_answer for answer in expected]
    plain, patched = ([expected[index].text for index in range(start, len(requests), 4)] for start in (0, 1))
    assert plain != patched  # else this test could not fail


@pytest.mark.real
def test_a_rank_over_the_limit_is_told(vllm: Any, adapters: list[Adapter]) -> None:
    """Before a question and with it; in a batch, the others are answered."""
    big = Adapter("big", (adapters[0].parts * 5))
    with pytest.raises(SettingError, match=r"have rank 20, and vLLM takes up to 8; .*--max-lora-rank 32"):
        vllm.check_adapter(big)
    ids = tuple(range(10, 20))
    with pytest.raises(SettingError, match="rank 20; this engine takes 8"):
        vllm.generate([Request.pair(ids, ids, AdaCad(), Sampling(max_tokens=2), context_adapter=big)])
    assert vllm.generate([Request.pair(ids, ids, AdaCad(), Sampling(max_tokens=2), context_adapter=adapters[0])])
