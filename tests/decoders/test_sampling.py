"""Drawing a token: by hand, by distribution, and independent of everything but the seed and the position."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decoders.sampling import Draw, choose, penalised, uniform

SCORES = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def drawn(draw: Draw, num: int = 4000) -> dict[int, float]:
    counts = Counter(int(choose(SCORES, draw, position)) for position in range(num))
    return {token: count / num for token, count in counts.items()}


def test_greedy_takes_the_best() -> None:
    assert int(choose(SCORES, Draw(), 0)) == 0


def test_draws_follow_the_distribution() -> None:
    shares = drawn(Draw(temperature=1.0))
    for token, share in enumerate((0.5, 0.3, 0.15, 0.05)):
        assert shares[token] == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    ("draw", "allowed"),
    [
        (Draw(temperature=1.0, top_k=2), {0, 1}),
        (Draw(temperature=1.0, top_p=0.75), {0, 1}),
        (Draw(temperature=1.0, min_p=0.2), {0, 1, 2}),
        (Draw(temperature=0.05), {0}),
    ],
)
def test_truncation_bars_the_tail(draw: Draw, allowed: set[int]) -> None:
    assert set(drawn(draw, 500)) == allowed


def test_a_barred_token_is_never_drawn() -> None:
    scores = torch.tensor([-math.inf, 0.0, -math.inf, 0.0, -math.inf])
    draw = Draw(temperature=1.0, seed=3)
    assert {int(choose(scores, draw, position)) for position in range(300)} == {1, 3}


@given(st.integers(-(2**40), 2**70), st.integers(0, 10_000))
def test_uniform_depends_on_seed_and_position_alone(seed: int, position: int) -> None:
    number = uniform(seed, position)
    assert 0 <= number < 1
    assert number == uniform(seed, position)
    assert number != uniform(seed, position + 1)


def test_penalties_by_hand() -> None:
    scores = torch.tensor([2.0, -2.0, 1.0, 0.5])
    draw = Draw(repetition_penalty=2.0, presence_penalty=0.1, frequency_penalty=0.25)
    # Token 0 stands in the prompt, 1 once and 2 twice in the answer.
    expected = [1.0, -4.0 - 0.25 - 0.1, 0.5 - 0.5 - 0.1, 0.5]
    assert penalised(scores, draw, [0], [1, 2, 2]).tolist() == pytest.approx(expected)
    assert scores.tolist() == [2.0, -2.0, 1.0, 0.5]
