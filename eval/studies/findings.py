"""What a table comes to in words, made from its figures: which rows help, which do not."""

from __future__ import annotations

from collections.abc import Sequence

from eval.metrics.stats import Interval
from eval.studies.compare import Comparison


def finding(name: str, baseline: str, difference: Interval) -> str:
    """One sentence about a row, from the paired difference (row minus baseline) of a figure that is better higher."""
    shown = f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    if difference.low > 0:
        return f"{name}: better than {baseline}, {shown}."
    if difference.high < 0:
        return f"**{name}: worse than {baseline}**, {shown}."
    return f"**{name}: no better than {baseline}**; the interval of the paired difference contains 0, {shown}."


def findings(metric: str, baseline: str, rows: Sequence[tuple[str, Sequence[Comparison]]]) -> list[str]:
    """A sentence per row to which ``metric`` applies; each row comes with its comparisons with the baseline."""
    return [
        finding(name, baseline, item.test.interval) for name, items in rows for item in items if item.metric == metric
    ]
