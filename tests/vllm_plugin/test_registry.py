"""Pairs by request, and the seed that a pair draws by."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

from decoders.pairing import ROLES, Half, PairError
from decoders.params import AdaCad
from decoders.vllm_plugin.registry import PairRegistry, hand_over, parse_half, seed_from_pair_id
from tests.vllm_plugin.simulation import request


def seed_drawn_by(pair_id: str, **sampling: Any) -> int:
    """The seed that the workers get to see."""
    half_request = request("r", [1, 2], 4, Half(pair_id, "context", AdaCad()), **sampling)
    hand_over(half_request)
    half = parse_half(half_request)
    assert half is not None
    assert half.draw is not None
    return half.draw.seed


def test_pairs_whose_ids_have_a_common_ending_have_different_seeds() -> None:
    ids = [f"{number}-answer-of-the-evening" for number in range(1000)]
    # The generator takes 64 bits of a seed.
    assert len({seed_drawn_by(pair_id) % 2**64 for pair_id in ids[:20]}) == 20
    assert len({seed_from_pair_id(pair_id) for pair_id in ids}) == 1000


def test_a_pair_has_the_same_seed_in_every_process() -> None:
    """A number that another process computed: Python's own hash would differ."""
    assert seed_from_pair_id("pair") == 10822547860610339361


def test_a_request_keeps_the_seed_that_it_asks_for() -> None:
    assert seed_drawn_by("pair", seed=7) == 7


def test_partners_find_each_other_until_one_leaves() -> None:
    registry = PairRegistry()
    halves = [Half("p", role, AdaCad()) for role in ROLES]
    context, parametric = (request(half.role, [1, 2], 4, half) for half in halves)
    registry.join(context, halves[0])
    assert registry.partner(context) is None
    assert list(registry.lone()) == [context]
    registry.join(parametric, halves[1])
    assert registry.partner(context) is parametric
    assert registry.partner(parametric) is context
    assert list(registry.lone()) == []
    with pytest.raises(PairError, match="in use"):
        registry.join(context, halves[0])
    assert registry.leave("context") is parametric
    assert registry.leave("parametric") is None
    assert len(registry) == 0
