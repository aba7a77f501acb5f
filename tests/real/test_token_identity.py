"""On the real default model: equal to stock transformers and to the twin, whatever the batch. In float64."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

import pytest
import torch

from decoders.params import AdaCad, Cad, CkPlug, DecoderParams, Dial
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.generation.base import Request
from rag.generation.transformers.generator import TransformersGenerator
from tests.oracles import twin

pytestmark = pytest.mark.real
# Prompts that are compared. The twin takes a second for every few tokens, so that it answers a third of them;
# CONCORD_TWIN_PROMPTS=30 compares as many, and has the twin answer ten.
NUM_PROMPTS = int(os.environ.get("CONCORD_TWIN_PROMPTS", "12"))
MAX_TOKENS = 12


@pytest.fixture(scope="module")
def requests(precise_generator: TransformersGenerator, facts: list[dict[str, Any]]) -> list[Request]:
    """Prompts, half with agreeing and half with conflicting passages."""
    requests = []
    for number, fact in enumerate(facts[:NUM_PROMPTS]):
        kind = "conflicting" if number % 2 else "agreeing"
        pair = build_prompts(fact["question"], [Passage("p:0", "p", "s", "", fact[f"{kind}_context"])])
        ids = precise_generator.encode(pair.context), precise_generator.encode(pair.parametric)
        requests.append(Request.pair(*ids, AdaCad(), Sampling(max_tokens=MAX_TOKENS), has_probes=False))
    return requests


def generate_tokens(
    generator: TransformersGenerator, requests: list[Request], params: DecoderParams
) -> list[list[int]]:
    results = generator.generate([replace(request, decoder=params) for request in requests])
    return [list(result.token_ids) for result in results]


def test_cad_equals_stock_guidance(precise_generator: TransformersGenerator, requests: list[Request]) -> None:
    """``generate(negative_prompt_ids=..., guidance_scale=1 + alpha)`` computes the same mixture."""
    model = precise_generator._model
    expected = []
    for request in requests:
        context = torch.tensor([request.context_ids])
        with torch.inference_mode():
            output = model.generate(
                input_ids=context,
                attention_mask=torch.ones_like(context),
                negative_prompt_ids=torch.tensor([request.parametric_ids]),
                guidance_scale=2.0,
                do_sample=False,
                max_new_tokens=MAX_TOKENS,
            )
        new = output[0, context.shape[1] :].tolist()
        expected.append([token for token in new if token not in precise_generator._codec.eos])
    assert generate_tokens(precise_generator, requests, Cad(1.0)) == expected


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        (AdaCad(), twin.adacad),
        (CkPlug(0.25), twin.ckplug(0.25)),
        (CkPlug(), twin.ckplug(None)),
        (Dial(0.25), twin.dial(0.25)),
        (Dial(), twin.dial(None)),
    ],
    ids=["adacad", "ckplug-0.25", "ckplug-auto", "dial-0.25", "dial-auto"],
)
def test_equals_the_twin(
    precise_generator: TransformersGenerator, requests: list[Request], params: DecoderParams, rule: twin.Rule
) -> None:
    asked = requests[: NUM_PROMPTS // 3]
    expected = [
        twin.generate(
            precise_generator._model, r.context_ids, r.parametric_ids, rule, MAX_TOKENS, precise_generator._codec.eos
        )
        for r in asked
    ]
    assert generate_tokens(precise_generator, asked, params) == expected


def test_batch_mates_do_not_matter(precise_generator: TransformersGenerator, requests: list[Request]) -> None:
    """All at once, one at a time, and in odd batches of another order."""
    together = generate_tokens(precise_generator, requests, AdaCad())
    expected = dict(zip([request.context_ids for request in requests], together, strict=True))
    for batch_size in (1, 5):
        shuffled = random.Random(batch_size).sample(requests, len(requests))
        for first in range(0, len(shuffled), batch_size):
            batch = shuffled[first : first + batch_size]
            assert generate_tokens(precise_generator, batch, AdaCad()) == [
                expected[request.context_ids] for request in batch
            ]
