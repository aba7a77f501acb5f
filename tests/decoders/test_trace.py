"""Traces: by hand, and through a channel that keeps one entry per token id."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decoders.params import AdaCad
from decoders.rules import mix
from decoders.streams import CONTEXT, PARAMETRIC
from decoders.trace import TRACE_SIZE, StepTrace, broken_trace, trace_rows

NUMBERS = st.floats(-100, 100, width=32)


def test_trace_of_a_mixture() -> None:
    z_c, z_p = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 3.0]])
    mixture = mix(AdaCad(), {CONTEXT: z_c, PARAMETRIC: z_p})
    trace = StepTrace.from_numbers(trace_rows(mixture, torch.tensor([1]))[0].tolist())
    context, parametric = trace.streams[CONTEXT], trace.streams[PARAMETRIC]
    assert (context.top, parametric.top) == (0, 2)
    assert context.coefficient == pytest.approx(1 + trace.jsd)
    assert parametric.coefficient == pytest.approx(-trace.jsd)
    assert context.logprob == pytest.approx(-math.log(math.e**2 + 2))
    assert parametric.logprob == pytest.approx(-math.log(math.e**3 + 2))
    assert not trace.is_broken


def test_a_trace_has_the_streams_that_were_mixed() -> None:
    rng = torch.Generator().manual_seed(0)
    streams = {name: torch.randn(2, 9, generator=rng) for name in (CONTEXT, PARAMETRIC, "passage:1")}
    mixture = mix(AdaCad(), streams)
    tops = {name: values.argmax(dim=-1) for name, values in streams.items()}
    rows = trace_rows(mixture, torch.tensor([1, 2]), tops)
    assert torch.equal(rows, trace_rows(mixture, torch.tensor([1, 2])))
    trace = StepTrace.from_numbers(rows[1].tolist(), tuple(streams))
    assert list(trace.streams) == list(streams)
    assert trace.streams["passage:1"].top == int(streams["passage:1"][1].argmax())
    assert trace.streams["passage:1"].logprob == pytest.approx(float(streams["passage:1"][1].log_softmax(-1)[2]))


STREAM = st.tuples(NUMBERS, NUMBERS, st.integers(0, 150_000), NUMBERS)


@given(st.integers(0, 12), NUMBERS, STREAM, STREAM)
def test_entries_survive_a_dictionary(
    token_id: int, jsd: float, context: tuple[float, ...], parametric: tuple[float, ...]
) -> None:
    numbers = [jsd, *context, *parametric]
    trace = StepTrace.from_numbers(numbers)
    ids, values = trace.entries(token_id)
    position = dict(zip(ids, values, strict=True))
    assert len(position) == TRACE_SIZE + 1
    assert next(iter(position)) == token_id
    assert StepTrace.from_numbers(list(position.values())[1:]) == trace
    assert trace.to_numbers() == numbers


def test_a_broken_trace_says_so() -> None:
    assert StepTrace.from_numbers(broken_trace().tolist()).is_broken


@pytest.mark.parametrize("size", [0, TRACE_SIZE - 1, TRACE_SIZE, TRACE_SIZE + 1])
def test_ordinary_log_probabilities_are_no_trace(size: int) -> None:
    """What an engine without the plugin sends, the sampled token among the best ones or not."""
    assert StepTrace.from_numbers([-0.1 * rank for rank in range(size)]).is_broken
