"""Paired comparison of runs: the same questions, one value each, what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.metrics.scores import Contribution, score_parts
from eval.metrics.stats import Interval, PairedTest, paired_ratio_test, ratio_interval
from eval.run.store import Run
from rag.core.errors import SettingError


@dataclass(frozen=True)
class Comparison:
    """One metric of two runs; ``test`` is of ``other - base``. All intervals have the same ``confidence``."""

    metric: str
    base: str
    other: str
    base_interval: Interval
    other_interval: Interval
    test: PairedTest
    confidence: float = 0.95

    @property
    def is_significant(self) -> bool:
        """Whether the difference would be rare by chance (p < 0.05, not corrected for the number of tests)."""
        return self.test.p_value < 0.05


def compare_runs(
    base: Run, other: Run, metrics: Sequence[str], confidence: float = 0.95, seed: int = 0
) -> list[Comparison]:
    """``other`` against ``base`` on every metric that applies to both.

    A question that only one of them has answered so far scores 0 in the other.

    Raises:
        SettingError: the runs asked different questions.
    """
    _check_same_questions(base, other)
    comparisons = [_compare(base, other, metric, confidence, seed) for metric in metrics]
    return [item for item in comparisons if item is not None]


def differing_settings(base: Run, other: Run) -> dict[str, tuple[object, object]]:
    """Settings in which two runs differ, with both values."""
    keys = sorted({*base.identity, *other.identity} - {"trials"})
    pairs = {key: (base.identity.get(key), other.identity.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _check_same_questions(base: Run, other: Run) -> None:
    asked = [{(record.question_id, record.question) for record in run.records} for run in (base, other)]
    surplus = {base.name: asked[0] - asked[1], other.name: asked[1] - asked[0]}
    # An unfinished run may lack questions, but neither may have questions that the other never asked for.
    is_foreign = (surplus[base.name] and other.is_complete) or (surplus[other.name] and base.is_complete)
    if is_foreign or base.num_trials != other.num_trials or not asked[0] & asked[1]:
        counts = ", ".join(f"{len(questions)} only in {name}" for name, questions in surplus.items())
        raise SettingError(f"{base.path} and {other.path} asked different questions ({counts}); compare like with like")


def _compare(base: Run, other: Run, metric: str, confidence: float, seed: int) -> Comparison | None:
    base_parts, other_parts = score_parts(metric, base.records), score_parts(metric, other.records)
    if not base_parts or not other_parts:
        return None
    ids = list(dict.fromkeys([*base_parts, *other_parts]))
    a = _columns(base_parts, other_parts, ids)
    b = _columns(other_parts, base_parts, ids)
    return Comparison(
        metric,
        base.name,
        other.name,
        ratio_interval(*a, confidence, seed),
        ratio_interval(*b, confidence, seed),
        paired_ratio_test(a, b, confidence, seed),
        confidence,
    )


def _columns(
    parts: dict[str, Contribution], others: dict[str, Contribution], ids: Sequence[str]
) -> tuple[list[float], list[float]]:
    """Numerators and denominators; a question without a result weighs what it weighs in the other run."""
    rows = [parts.get(key) or Contribution(0.0, others[key].denominator) for key in ids]
    return [part.numerator for part in rows], [part.denominator for part in rows]
