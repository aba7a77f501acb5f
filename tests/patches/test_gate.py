"""Which patches a question gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.patches.gate import gate_weights


def test_the_best_gets_one_and_distance_costs() -> None:
    assert gate_weights({"a": 0.8, "b": 0.725, "c": 0.6, "d": 0.79}, 0.4) == {"a": 1.0, "b": 0.5, "d": 0.9333}


def test_below_the_gate_nothing_is_used() -> None:
    assert gate_weights({"a": 0.39, "b": 0.2}, 0.4) == {}
    assert gate_weights({}, 0.4) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(-1, 1), max_size=8), st.floats(-1, 1))
def test_weights_are_positive_shares_in_order_of_relevance(relevance: dict[str, float], gate: float) -> None:
    weights = gate_weights(relevance, gate)
    assert all(0 < weight <= 1 and relevance[doc_id] >= gate for doc_id, weight in weights.items())
    assert bool(weights) == any(value >= gate for value in relevance.values())
    ranked = sorted(weights, key=lambda doc_id: -relevance[doc_id])
    assert [weights[doc_id] for doc_id in ranked] == sorted(weights.values(), reverse=True)
