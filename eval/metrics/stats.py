"""Intervals for a mean and paired tests between two runs, by resampling questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Numerators and denominators, one each per question.
Ratio = tuple[Sequence[float], Sequence[float]]

# Bounds the index matrix of one batch of resamples at a few megabytes for any number of questions.
_BATCH_CELLS = 500_000


@dataclass(frozen=True)
class Interval:
    """A figure and the percentile-bootstrap interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """Difference ``b - a`` over the same questions.

    Attributes:
        interval: bootstrap interval of the difference.
        p_value: two-sided permutation test of "no difference", the runs swapped question by question: exact for
            few questions, else sampled and then never below 1 / (resamples + 1).
        num_questions: pairs compared.
    """

    interval: Interval
    p_value: float
    num_questions: int


def show_confidence(confidence: float) -> str:
    """A confidence as text: ``95 %`` for 0.95."""
    return f"{100 * confidence:.4g} %"


def bootstrap_interval(
    values: Sequence[float], confidence: float = 0.95, seed: int = 0, num_resamples: int = 2_000
) -> Interval:
    """Mean of ``values`` and its percentile-bootstrap interval.

    Raises:
        ValueError: no values, or a confidence outside (0, 1).

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    return bootstrap_statistic([values], lambda columns: columns[0], confidence, seed, num_resamples)


def bootstrap_statistic(
    columns: Sequence[Sequence[float]],
    statistic: Callable[[Array], Array],
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = 2_000,
) -> Interval:
    """Interval of a function of several per-question means, e.g. MR from ConR and ParR.

    Args:
        columns: C parallel sequences of per-question values.
        statistic: from means, float64 ``[C, R]`` for R resamples, to figures ``[R]``.

    Raises:
        ValueError: no values, or a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence!r} is impossible; expected a number between 0 and 1")
    table = np.asarray(columns, dtype=np.float64)
    if table.size == 0:
        raise ValueError("got no values; an interval needs at least one question")
    value = float(statistic(table.mean(axis=1, keepdims=True))[0])
    if table.shape[1] == 1:  # one question has no spread to resample
        return Interval(value, value, value)
    from scipy.stats import bootstrap

    def resampled(*samples: Array, axis: int) -> Array:
        return statistic(np.stack([sample.mean(axis=axis) for sample in samples]))

    result = bootstrap(
        tuple(table),
        resampled,
        n_resamples=num_resamples,
        batch=_batch_size(table.shape[1], num_resamples),
        paired=True,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(value, float(result.confidence_interval.low), float(result.confidence_interval.high))


def ratio_interval(
    numerators: Sequence[float],
    denominators: Sequence[float],
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = 2_000,
) -> Interval:
    """Ratio of two sums over the same questions and its interval; 0 where the denominators add up to 0.

    Raises:
        ValueError: no values, or a confidence outside (0, 1).
    """
    return bootstrap_statistic([numerators, denominators], _ratio, confidence, seed, num_resamples)


def paired_test(
    a: Sequence[float], b: Sequence[float], confidence: float = 0.95, seed: int = 0, num_resamples: int = 2_000
) -> PairedTest:
    """Do the means of ``a`` and ``b`` differ? Both hold one value per question, in the same order.

    Raises:
        ValueError: the sequences differ in length, or are empty.

    Source: Fisher's randomisation test; Smucker et al. 2007 for its use between two systems.
    """
    return paired_ratio_test((a, [1.0] * len(a)), (b, [1.0] * len(b)), confidence, seed, num_resamples)


def paired_ratio_test(
    a: tuple[Sequence[float], Sequence[float]],
    b: tuple[Sequence[float], Sequence[float]],
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = 2_000,
) -> PairedTest:
    """:func:`paired_test` for ratios; ``a`` and ``b`` are numerators and denominators, one each per question.

    Raises:
        ValueError: the sequences differ in length, or are empty.
    """
    if len({len(column) for column in (*a, *b)}) != 1:
        sizes = " and ".join(str(len(column)) for column in (a[0], b[0]))
        raise ValueError(f"got {sizes} values; a paired test needs one pair per question")
    interval = bootstrap_statistic([*a, *b], _ratio_difference, confidence, seed, num_resamples)
    return PairedTest(interval, _permutation_p_value(a, b, seed, num_resamples), len(a[0]))


def _permutation_p_value(
    a: tuple[Sequence[float], Sequence[float]],
    b: tuple[Sequence[float], Sequence[float]],
    seed: int,
    num_resamples: int,
) -> float:
    """Two-sided p-value of "no difference of the ratios", the runs swapped question by question."""
    from scipy.stats import permutation_test

    numerators, denominators = np.asarray([*a[0], *b[0]], float), np.asarray([*a[1], *b[1]], float)
    num = len(a[0])

    def difference(rows_a: Array, rows_b: Array, axis: int) -> Array:
        # The test permutes row numbers, so that a numerator and its denominator stay together.
        means = [
            values[rows.astype(int)].mean(axis=axis)
            for rows in (rows_a, rows_b)
            for values in (numerators, denominators)
        ]
        # Rounded, so that ties with the observed difference stay ties in any order of summation.
        return np.round(_ratio_difference(np.stack(means)), 12)

    result = permutation_test(
        (np.arange(num), np.arange(num, 2 * num)),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=num_resamples,
        batch=_batch_size(num, num_resamples),
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _ratio(means: Array) -> Array:
    """``means[0] / means[1]``, 0 where the latter is 0."""
    ratio: Array = np.divide(means[0], means[1], out=np.zeros_like(means[0]), where=np.abs(means[1]) > 1e-12)
    return ratio


def _ratio_difference(means: Array) -> Array:
    """From means ``[4, R]`` of a's and b's numerators and denominators to ``b - a``."""
    return _ratio(means[2:]) - _ratio(means[:2])


def _batch_size(num_values: int, num_resamples: int) -> int:
    """Resamples drawn at once."""
    return min(num_resamples, max(1, _BATCH_CELLS // num_values))
