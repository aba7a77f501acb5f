"""A request that fails ends its own call and no other; scores and answers share one thread; rows stay bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from decoders.params import AdaCad, Plain
from decoders.rules import RULES
from rag.core.errors import PatchError, UnavailableError
from rag.core.query import Sampling
from rag.generation.base import Adapter, Done, Event, Request
from rag.generation.transformers.batch import RunningBatch
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.generation.test_request import EachPassage
from tests.generation.test_transformers import requests
from tests.patches.conftest import random_tensors

CONTEXT = tuple(range(20, 50))
QUESTION = tuple(range(40, 46))
# A prompt with this token breaks the model in tests below.
POISON = 199


@pytest.fixture
def tiny() -> Iterator[TransformersGenerator]:
    generator = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", max_rows=32)
    yield generator
    generator.close()


def running(tiny: TransformersGenerator, request: Request) -> tuple[Iterator[Event], list[Event]]:
    """A call that is under way."""
    stream = tiny.stream([request])
    return stream, [next(stream)]


def token_ids(events: list[Event]) -> tuple[int, ...]:
    return next(event.generation.token_ids for event in events if isinstance(event, Done))


def long_request(seed: int = 0) -> Request:
    request = requests(1, seed=seed)[0]
    return replace(request, sampling=Sampling(max_tokens=100))


def test_scores_beside_answers_with_adapters(tiny: TransformersGenerator) -> None:
    """Two threads in tight loops: no error, and the values that each has alone."""
    adapter = Adapter.single("a", random_tensors(tiny, 4, 1))
    request = Request.pair(CONTEXT, QUESTION, AdaCad(), Sampling(max_tokens=12), context_adapter=adapter)
    prompts = [CONTEXT, QUESTION, CONTEXT[:17]]
    expected, answer = tiny.score(prompts, ("w5", "w6")), tiny.generate([request])[0].token_ids
    is_over = threading.Event()

    def answers() -> int:
        count = 0
        while not is_over.is_set():
            assert tiny.generate([request])[0].token_ids == answer
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(answers)
        try:
            for _ in range(60):
                for score, alone in zip(tiny.score(prompts, ("w5", "w6")), expected, strict=True):
                    assert score == pytest.approx(alone, abs=1e-4)
        finally:
            is_over.set()
        assert other.result() > 0


def test_scores_are_those_of_a_plain_forward_in_a_batch_with_adapters(tiny: TransformersGenerator) -> None:
    adapter = Adapter.single("a", random_tensors(tiny, 4, 1))
    stream, events = running(tiny, long_request().with_adapter("context", adapter))
    score = tiny.score([CONTEXT], ("w5", "w6"))[0]
    with torch.inference_mode():
        logits = tiny_model("llama")(torch.tensor([CONTEXT])).logits[0, -1]
    assert score == pytest.approx(logits[[5, 6]].softmax(dim=-1).tolist(), abs=1e-5)
    assert token_ids([*events, *stream])


def test_a_misfitting_adapter_is_refused_before_the_batch(tiny: TransformersGenerator) -> None:
    request = long_request()
    expected = tiny.generate([request])[0].token_ids
    stream, events = running(tiny, request)
    narrow = {"model.layers.0.mlp.up_proj": random_tensors(tiny, 2, 1)["model.layers.0.mlp.down_proj"]}
    broken = requests(1, seed=1)[0].with_adapter("context", Adapter.single("broken", narrow))
    with pytest.raises(PatchError, match="patch broken"):
        tiny.generate([broken])
    assert token_ids([*events, *stream]) == expected


def break_on(tiny: TransformersGenerator, is_broken: Callable[[torch.Tensor], bool]) -> None:
    """Let the model run out of memory in its second layer, when the first has its new columns already."""
    seen: list[torch.Tensor] = []
    tiny.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )

    def fail(module: torch.nn.Module, args: Any) -> None:
        if is_broken(seen[-1]):
            raise torch.OutOfMemoryError("no memory for the secret of a tenant")

    tiny.model.get_submodule("model.layers.1").register_forward_pre_hook(fail)


def is_poisoned(ids: torch.Tensor) -> bool:
    return ids.shape[1] > 1 and bool((ids == POISON).any())


@pytest.mark.parametrize("kind", ["answer", "score"])
def test_no_memory_for_one_prompt(tiny: TransformersGenerator, kind: str) -> None:
    """Whoever runs already, and whoever came in the same prefill, goes on."""
    one, two = long_request(), requests(1, seed=2)[0]
    expected = [result.token_ids for result in tiny.generate([one, two])]
    break_on(tiny, is_poisoned)
    poison = (POISON, *CONTEXT)
    bad = Request.pair(poison, QUESTION, AdaCad(), Sampling(max_tokens=8))
    asks = {"score": partial(tiny.score, [CONTEXT, poison], ("w5", "w6")), "answer": partial(tiny.generate, [two, bad])}
    stream, events = running(tiny, one)
    with ThreadPoolExecutor(2) as pool:
        good = pool.submit(tiny.generate, [two])
        with pytest.raises(UnavailableError, match="ran out of memory over this request"):
            asks[kind]()
        assert good.result()[0].token_ids == expected[1]
    assert token_ids([*events, *stream]) == expected[0]
    assert tiny.generate([two])[0].token_ids == expected[1]


def test_no_memory_for_a_step_ends_the_newest_request(tiny: TransformersGenerator) -> None:
    """The layers that had their columns already forget them: the others go on as if nothing had been."""
    one = long_request()
    expected = tiny.generate([one])[0].token_ids
    alone: list[int] = []
    handle = tiny.model.register_forward_pre_hook(
        lambda module, args, kwargs: alone.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    tiny.generate([one])
    handle.remove()
    break_on(tiny, lambda ids: ids.shape[1] == 1 and len(ids) > max(alone))
    stream, events = running(tiny, one)
    with pytest.raises(UnavailableError, match="memory"):
        tiny.generate([replace(long_request(seed), sampling=Sampling(max_tokens=100)) for seed in (3, 4)])
    assert token_ids([*events, *stream]) == expected


def test_a_rule_that_fails_ends_its_own_request(tiny: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(params: Any, signals: Any) -> Any:
        raise RuntimeError("a rule with a fault")

    monkeypatch.setitem(RULES, EachPassage, fail)
    one = long_request()
    expected = tiny.generate([one])[0].token_ids
    stream, events = running(tiny, one)
    with pytest.raises(RuntimeError, match="a rule with a fault"):
        tiny.generate([replace(requests(1, seed=1)[0], decoder=EachPassage())])
    assert token_ids([*events, *stream]) == expected


def test_a_batch_that_breaks_tells_nobody_about_others(
    tiny: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(batch: RunningBatch, waiting: Any) -> Any:
        raise RuntimeError("the secret of a tenant")

    with monkeypatch.context() as patch:
        patch.setattr(RunningBatch, "step", fail)
        with pytest.raises(UnavailableError, match="failed in the middle of a batch"):
            tiny.generate(requests(1))
    assert tiny.generate(requests(1))[0].token_ids


@pytest.mark.parametrize("max_rows", [2, 7, 16])
def test_rows_stay_within_their_bound(max_rows: int) -> None:
    """Answers part from their probes, so a request can come to hold twice the rows of its prompts."""
    tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", max_rows=max_rows)
    steps: list[int] = []
    tiny.model.register_forward_pre_hook(
        lambda module, args, kwargs: steps.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    every = requests(12)
    got = tiny.generate(every)
    # A request needs four rows, and one that needs more than there are runs alone.
    assert max(steps) <= max(max_rows, 4)
    plain = tiny.generate([replace(request, decoder=Plain(), has_probes=False) for request in every])
    assert [result.text for result in plain] == [result.context_answer for result in got]
    tiny.close()
