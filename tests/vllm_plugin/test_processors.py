"""The processors through streams of batch changes, as vLLM's own tests of its processors do it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed")

from vllm import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate, MoveDirectionality
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext

from decoders.pairing import KEY, ROLES, Half, PairError
from decoders.params import AdaCad, CkPlug
from decoders.rules import mix
from decoders.sampling import Draw
from decoders.streams import CONTEXT, PARAMETRIC
from decoders.trace import TRACE_SIZE
from decoders.vllm_plugin.processors import PairProcessor, PairProcessorV1, PairProcessorV2, validate
from decoders.vllm_plugin.traces import TRACE_BUFFER

VOCABULARY = 200


def params(pair_id: str | None, role: Any = "context", **options: Any) -> SamplingParams:
    half = Half(pair_id, role, AdaCad() if len(pair_id) % 2 else CkPlug(), Draw()) if pair_id else None
    return SamplingParams(temperature=0.0, extra_args={KEY: half.to_text()} if half else None, **options)


class Batch:
    """A persistent batch with vLLM's ways: requests come, leave holes that others fill, and change places."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rows: list[tuple[SamplingParams, list[int]]] = []
        self._num_pairs = 0

    def change(self) -> BatchUpdate:
        removed, added, moved = [], [], []
        for row in sorted(self.random.sample(range(len(self.rows)), k=len(self.rows) // 5), reverse=True):
            self.rows[row] = None  # type: ignore[call-overload]
            removed.append(row)
        for new in self._arrivals():
            if removed:
                row = removed.pop()
                self.rows[row] = new
            else:
                row = len(self.rows)
                self.rows.append(new)
            added.append((row, new[0], [1, 2], new[1]))
        # What is still empty is filled from the end, as vLLM condenses its batch.
        for hole in sorted(removed):
            while self.rows and self.rows[-1] is None:
                self.rows.pop()
            if hole < len(self.rows):
                moved.append((len(self.rows) - 1, hole, MoveDirectionality.UNIDIRECTIONAL))
                self.rows[hole] = self.rows.pop()
        if len(self.rows) > 3:
            a, b = self.random.sample(range(len(self.rows)), 2)
            self.rows[a], self.rows[b] = self.rows[b], self.rows[a]
            moved.append((a, b, MoveDirectionality.SWAP))
        return BatchUpdate(len(self.rows), removed, added, moved)

    def _arrivals(self) -> list[tuple[SamplingParams, list[int]]]:
        arrivals = []
        for _ in range(self.random.randint(0, 3)):
            if self.random.random() < 0.3:
                arrivals.append((params(None), []))
                continue
            self._num_pairs += 1
            arrivals += [(params(str(self._num_pairs), role), []) for role in ("context", "parametric")]
        return arrivals


def expected(batch: Batch, logits: torch.Tensor) -> torch.Tensor:
    """Each row's token: the mixture's for rows of a whole pair, its own best for the others."""
    tokens = logits.argmax(dim=-1)
    halves = {}
    for row, (one, _) in enumerate(batch.rows):
        if half := Half.from_extra_args(one.extra_args):
            halves[half.pair_id, half.role] = (row, half)
    for (pair_id, role), (row, half) in halves.items():
        if role == "context" and (pair_id, "parametric") in halves:
            other = halves[pair_id, "parametric"][0]
            streams = {CONTEXT: logits[row : row + 1], PARAMETRIC: logits[other : other + 1]}
            token = mix(half.params, streams).scores.argmax()
            tokens[row] = tokens[other] = token
    return tokens


@pytest.mark.parametrize("seed", range(5))
def test_v1_follows_its_rows(seed: int) -> None:
    batch, processor = Batch(seed), PairProcessor(None, torch.device("cpu"), False)
    assert isinstance(processor, PairProcessorV1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(60):
        processor.update_state(batch.change())
        if not batch.rows:
            continue
        logits = torch.randn(len(batch.rows), VOCABULARY, generator=generator) * 3
        wanted = expected(batch, logits)
        assert torch.equal(processor.apply(logits.clone()).argmax(dim=-1), wanted)
        TRACE_BUFFER.take()


class Buffer:
    """What V2's request states look like from here: an array on the host."""

    def __init__(self, values: np.ndarray) -> None:
        self.np, self.gpu = values, torch.from_numpy(values)


class States:
    def __init__(self, num_slots: int) -> None:
        self.prompt_len = Buffer(np.zeros(num_slots, dtype=np.int32))
        self.all_token_ids = Buffer(np.zeros((num_slots, 64), dtype=np.int32))


@pytest.mark.parametrize("seed", range(5))
def test_v2_finds_its_rows_by_slot(seed: int) -> None:
    rng, states = random.Random(seed), States(40)
    processor = PairProcessor(None, states)
    assert isinstance(processor, PairProcessorV2)
    batch, slots = Batch(seed), list(range(40))
    for _ in range(40):
        batch.change()
        rng.shuffle(slots)  # V2 recycles slots and reorders rows at will
        order = slots[: len(batch.rows)]
        for row, slot in enumerate(order):
            states.prompt_len.np[slot] = 10
            processor.add_request(slot, batch.rows[row][0])
        if not order:
            continue
        logits = torch.randn(len(order), VOCABULARY) * 3
        wanted = expected(batch, logits)
        assert torch.equal(processor.apply(logits.clone(), context(order, 12)).argmax(dim=-1), wanted)
        traces = TRACE_BUFFER.take()
        assert traces is None or {position for _, position in traces.keys} == {2}


def context(slots: list[int], num_tokens: int) -> LogitsContext:
    mapping = np.array(slots)
    empty = torch.empty(0)
    lengths = np.full(len(slots), num_tokens)
    return LogitsContext(torch.from_numpy(mapping), torch.from_numpy(mapping), mapping, empty, empty, empty, lengths)


def test_v2_forgets_who_held_a_slot_before() -> None:
    processor = PairProcessorV2(None, States(4))
    assert processor.add_request(0, params("a"))
    assert processor.add_request(1, params("a", "parametric"))
    assert not processor.add_request(1, params(None))
    logits = torch.randn(2, VOCABULARY)
    assert torch.equal(processor.apply(logits.clone(), context([0, 1], 3)), logits)


@pytest.mark.parametrize(
    "options",
    [
        {"n": 2},
        {"logit_bias": {1: 1.0}},
        {"min_tokens": 2},
        {"bad_words": ["x"]},
        {"logprobs": 2},
        {"prompt_logprobs": 1},
    ],
)
def test_what_does_not_go_with_a_pair_is_refused(options: dict[str, Any]) -> None:
    alone = SamplingParams(temperature=1.0, **options)
    validate(alone)
    alone.extra_args = {KEY: Half("a", "context", AdaCad()).to_text()}
    with pytest.raises(PairError, match=next(iter(options))):
        validate(alone)


def test_a_pair_with_its_trace_passes() -> None:
    client = params("a", logprobs=TRACE_SIZE)
    client.extra_args = {KEY: Half("a", "context", AdaCad()).to_text()}
    validate(client)


def test_a_pair_out_of_step_reaches_the_scheduler_as_a_broken_trace() -> None:
    """The answer must fail there; the worker must not."""
    processor = PairProcessorV1(None, torch.device("cpu"), False)
    outputs: list[list[int]] = [[], [5]]
    added = [(row, params("a", role), [1, 2], outputs[row]) for row, role in enumerate(ROLES)]
    processor.update_state(BatchUpdate(2, [], added, []))
    processor.apply(torch.randn(2, VOCABULARY))
    traces = TRACE_BUFFER.take()
    assert traces is not None
    assert [trace.is_broken for trace in traces.read().values()] == [True]


@pytest.mark.parametrize("version", [1, 2])
def test_halves_without_the_scheduler_are_ended(version: int) -> None:
    """Nobody keeps them in step, so no token of theirs may look like an answer's."""
    logits, eos = torch.randn(3, VOCABULARY), 7
    before = logits.clone()
    halves = [SamplingParams(extra_args={KEY: Half("a", role, AdaCad()).to_text()}) for role in ROLES]
    for half in halves:
        half.update_from_generation_config({}, eos)
    if version == 1:
        processor = PairProcessorV1(None, torch.device("cpu"), False)
        added = [(row, half, [1, 2], []) for row, half in enumerate(halves)]
        processor.update_state(BatchUpdate(3, [], added, []))
        processor.apply(logits)
    else:
        processor = PairProcessorV2(None, States(4))
        for slot, half in enumerate(halves):
            processor.add_request(slot, half)
        processor.apply(logits, context([0, 1, 2], 12))
    assert logits[:2].argmax(dim=-1).tolist() == [eos, eos]
    assert torch.equal(logits[2], before[2])
    assert TRACE_BUFFER.take() is None
