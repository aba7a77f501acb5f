"""Intervals for a mean and paired tests between two runs, by resampling questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Bounds the index matrix of one block of resamples at a few megabytes, whatever the number of questions.
_BLOCK_CELLS = 500_000


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
        p_value: two-sided permutation test of "no difference", the runs swapped question by question; never
            below 1 / (resamples + 1).
        num_questions: pairs compared.
    """

    interval: Interval
    p_value: float
    num_questions: int


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
    figures = statistic(_resampled_means(table, seed, num_resamples))
    low, high = np.quantile(figures, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


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
    swapped = _swapped_differences(np.asarray([*a, *b], dtype=np.float64), seed, num_resamples)
    # The tolerance keeps ties with the observed difference ties, whatever the order of summation.
    num_extreme = int(np.count_nonzero(np.abs(swapped) >= abs(interval.value) - 1e-12))
    return PairedTest(interval, (num_extreme + 1) / (num_resamples + 1), len(a[0]))


def _resampled_means(table: Array, seed: int, num_resamples: int) -> Array:
    """Means ``[C, R]`` of R draws with replacement of the N columns of ``table [C, N]``."""
    rng, num = np.random.default_rng(seed), table.shape[1]
    blocks = [table[:, rng.integers(0, num, (size, num))].mean(axis=2) for size in _blocks(num, num_resamples)]
    return np.concatenate(blocks, axis=1)


def _swapped_differences(table: Array, seed: int, num_resamples: int) -> Array:
    """Ratio differences ``[R]`` of ``table [4, N]`` when the runs change places at random, question by question."""
    rng, num = np.random.default_rng(seed), table.shape[1]
    gap = table[2:] - table[:2]
    figures = []
    for size in _blocks(num, num_resamples):
        moved = rng.integers(0, 2, (size, num)).astype(np.float64) @ gap.T / num
        start_a, start_b = table[:2].mean(axis=1), table[2:].mean(axis=1)
        figures.append(_ratio_difference(np.concatenate([(start_a + moved).T, (start_b - moved).T])))
    return np.concatenate(figures)


def _ratio(means: Array) -> Array:
    """``means[0] / means[1]``, 0 where the latter is 0."""
    ratio: Array = np.divide(means[0], means[1], out=np.zeros_like(means[0]), where=np.abs(means[1]) > 1e-12)
    return ratio


def _ratio_difference(means: Array) -> Array:
    """From means ``[4, R]`` of a's and b's numerators and denominators to ``b - a``."""
    return _ratio(means[2:]) - _ratio(means[:2])


def _blocks(num_values: int, num_resamples: int) -> list[int]:
    """Sizes of the blocks in which ``num_resamples`` resamples are drawn."""
    size = max(1, _BLOCK_CELLS // num_values)
    return [min(size, num_resamples - start) for start in range(0, num_resamples, size)]
