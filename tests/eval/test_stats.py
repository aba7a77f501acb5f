"""Intervals and paired tests, against closed forms and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from eval.metrics.stats import bootstrap_interval, paired_ratio_test, paired_test, ratio_interval


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=120).tolist()
    ours = bootstrap_interval(values, num_resamples=20_000)
    theirs = scipy_stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=3)
    assert ours.value == pytest.approx(np.mean(values))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        interval = bootstrap_interval((rng.random(80) < 0.3).astype(float).tolist(), 0.9, num_resamples=400)
        hits += interval.low <= 0.3 <= interval.high
    assert 0.82 <= hits / 300 <= 0.97


def test_same_seed_same_interval() -> None:
    values = [0.0, 1.0, 1.0, 0.5] * 10
    assert bootstrap_interval(values, seed=7) == bootstrap_interval(values, seed=7)
    assert bootstrap_interval(values, seed=7) != bootstrap_interval(values, seed=8)


def test_constant_values_have_no_width() -> None:
    interval = bootstrap_interval([0.25] * 9)
    assert (interval.value, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_ratio_weighs_by_denominator() -> None:
    interval = ratio_interval([1, 0, 0], [1, 2, 0])
    assert interval.value == pytest.approx(1 / 3)
    assert ratio_interval([0, 0], [0, 0]).value == 0.0


def test_paired_test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    a = rng.random(40)
    b = a + rng.normal(0.04, 0.1, 40)
    ours = paired_test(a.tolist(), b.tolist(), num_resamples=20_000)
    theirs = scipy_stats.permutation_test(
        (b, a), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=20_000, rng=4
    )
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.015)
    assert ours.interval.value == pytest.approx(float((b - a).mean()))


def test_small_paired_test_approaches_the_exact_p_value() -> None:
    # Three pairs that all differ by 1: of the 8 sign patterns two are as extreme, p = 1/4.
    result = paired_test([0, 0, 0], [1, 1, 1], num_resamples=40_000)
    assert result.p_value == pytest.approx(0.25, abs=0.01)


def test_equal_runs_do_not_differ() -> None:
    result = paired_test([0.0, 1.0, 0.5], [0.0, 1.0, 0.5])
    assert (result.interval.value, result.p_value, result.num_questions) == (0.0, 1.0, 3)


def test_paired_ratio_test_sees_a_difference_of_ratios() -> None:
    ones = [1.0] * 60
    result = paired_ratio_test(([0.0] * 60, ones), ([1.0, 0.0] * 30, ones))
    assert result.interval.value == pytest.approx(0.5)
    assert result.p_value < 0.01


def test_false_alarms_stay_near_their_rate() -> None:
    rng = np.random.default_rng(9)
    alarms = sum(
        paired_test(rng.random(30).tolist(), rng.random(30).tolist(), num_resamples=300).p_value < 0.1
        for _ in range(200)
    )
    assert 0.03 <= alarms / 200 <= 0.18


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5, -0.1])
def test_impossible_confidence(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        bootstrap_interval([1.0], confidence)


def test_no_values() -> None:
    with pytest.raises(ValueError, match="at least one question"):
        bootstrap_interval([])
    with pytest.raises(ValueError, match="one pair per question"):
        paired_test([1.0], [1.0, 2.0])
