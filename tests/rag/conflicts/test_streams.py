"""The conflict report, from hand-made steps."""

from __future__ import annotations

import math

import pytest

from rag.conflicts.streams import conflict_score, report
from rag.core.answer import Step
from rag.generation.base import Generation


def step(jsd: float) -> Step:
    return Step("t", 1, 0.0, jsd, 1.0, 1.0, "a", "b", -1.0, -2.0, 1.0, 0.0)


def test_score_is_the_mean_share_of_ln_2() -> None:
    assert conflict_score([]) == 0
    assert conflict_score([step(0.0)]) == 0
    assert conflict_score([step(math.log(2))] * 3) == pytest.approx(1)
    assert conflict_score([step(math.log(2)), step(0.0)]) == pytest.approx(0.5)


@pytest.mark.parametrize(("threshold", "is_conflict"), [(0.4, True), (0.5, True), (0.6, False)])
def test_the_verdict_follows_the_threshold(threshold: float, is_conflict: bool) -> None:
    steps = (step(math.log(2)), step(0.0))
    made = report(Generation("x", (1,), steps, "stop", {"context": "Lyon", "parametric": "Paris"}), threshold)
    assert made.is_conflict is is_conflict
    assert (made.context_answer, made.memory_answer, made.steps) == ("Lyon", "Paris", steps)
