"""Traces: by hand, and through a channel that keeps one entry per token id."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decoders.params import AdaCad
from decoders.rules import mix
from decoders.trace import TRACE_SIZE, StepTrace, broken_trace, trace_of

NUMBERS = st.floats(-100, 100, width=32)


def test_trace_of_a_mixture() -> None:
    z_c, z_p = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 3.0]])
    mixture = mix(z_c, z_p, AdaCad())
    trace = StepTrace.of(trace_of(mixture, torch.tensor([1]))[0].tolist())
    assert (trace.context_top, trace.parametric_top) == (0, 2)
    assert trace.weight == pytest.approx(trace.jsd)
    assert trace.context_logprob == pytest.approx(-math.log(math.e**2 + 2))
    assert trace.parametric_logprob == pytest.approx(-math.log(math.e**3 + 2))
    assert not trace.is_broken


@given(st.integers(0, 12), st.tuples(*[NUMBERS] * 4, *[st.integers(0, 150_000)] * 2, *[NUMBERS] * 2))
def test_entries_survive_a_dictionary(token_id: int, numbers: tuple[float, ...]) -> None:
    trace = StepTrace.of(numbers)
    ids, values = trace.entries(token_id)
    position = dict(zip(ids, values, strict=True))
    assert len(position) == TRACE_SIZE + 1
    assert next(iter(position)) == token_id
    assert astuple(StepTrace.of(list(position.values())[1:])) == astuple(trace)


def test_a_broken_trace_says_so() -> None:
    numbers = broken_trace()
    numbers[4:6] = 0  # ids cannot be nan
    assert StepTrace.of(numbers.tolist()).is_broken
