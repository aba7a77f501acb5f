"""What ``concord eval`` shows in a terminal: rich tables and lines of text. Printing is the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from eval.metrics.stats import Interval, show_confidence
from eval.run.evaluation import Evaluation
from eval.run.runner import RunReport
from eval.studies.compare import Comparison
from eval.studies.sweep import SweepResult, describe


def summary_table(evaluation: Evaluation) -> Table | None:
    """The figures of one run; ``None`` where no metric applies."""
    summary = evaluation.summary
    if not summary.scores:
        return None
    table = Table("metric", "value", f"{show_confidence(summary.confidence)} interval", "questions", title=summary.name)
    for item in summary.scores:
        table.add_row(item.metric, f"{item.interval.value:.4f}", _range(item.interval), str(item.num_questions))
    return table


def summary_lines(evaluation: Evaluation) -> list[str]:
    """What the table leaves out, what the run cost, and where its results are."""
    summary, costs = evaluation.summary, evaluation.summary.costs
    lines = []
    if summary.inapplicable:
        lines.append(f"no question has what these metrics need: {', '.join(summary.inapplicable)}")
    latencies = (costs.latency_p50_ms, costs.latency_p95_ms, costs.latency_p99_ms)
    return [
        *lines,
        f"latency p50, p95, p99: {', '.join(f'{value:.0f}' for value in latencies)} ms; "
        f"{costs.questions_per_s:.2f} questions/s, {costs.tokens_per_s:.1f} tokens/s",
        f"{run_line([evaluation.report])}; results in {evaluation.run.path}",
    ]


def run_line(reports: Sequence[RunReport]) -> str:
    """What was asked, and the harness's own share of the time; runs answered together count once."""
    spans = {(item.wall_s * item.num_workers, item.answerer_s) for item in reports if item.num_asked}
    wall_s, answerer_s = (sum(times) for times in zip(*spans, strict=True)) if spans else (0.0, 0.0)
    counts = [sum(getattr(item, name) for item in reports) for name in ("num_asked", "num_resumed", "num_refused")]
    share = 1.0 - answerer_s / wall_s if wall_s else 0.0
    return "{} asked, {} resumed, {} refused; ".format(*counts) + f"harness {share:.2%} of {wall_s:.1f} s"


def comparison_table(items: Sequence[Comparison]) -> Table:
    """Paired differences; p is not corrected for the number of rows."""
    confidence = f"{show_confidence(items[0].confidence)} interval" if items else "interval"
    table = Table("metric", "run", "value", "first run", "difference", confidence, "p")
    for item in items:
        mark = "*" if item.is_significant else ""
        difference = item.test.interval
        values = (f"{item.other_interval.value:.4f}", f"{item.base_interval.value:.4f}", f"{difference.value:+.4f}")
        table.add_row(item.metric, item.other, *values, _range(difference), f"{item.test.p_value:.4f}{mark}")
    return table


def comparison_dict(item: Comparison) -> dict[str, Any]:
    """One comparison as plain JSON values."""
    names = {"metric": item.metric, "base": item.base, "other": item.other}
    figures = {"p_value": item.test.p_value, "num_questions": item.test.num_questions}
    return names | {"difference": vars(item.test.interval)} | figures


def difference_line(base: str, other: str, settings: Mapping[str, tuple[object, object]]) -> str:
    """The settings in which two runs differ."""
    listed = ", ".join(f"{key}: {a!r} -> {b!r}" for key, (a, b) in settings.items()) or "nothing"
    return f"{base} -> {other} differ in {listed}"


def sweep_table(metric: str, result: SweepResult) -> Table:
    """All points on the development split; ``*`` marks the best."""
    interval = f"{show_confidence(result.confidence)} interval"
    table = Table("point", f"{metric} (development)", interval, title="Sweep")
    for text, item in zip(describe([item.point for item in result.tried]), result.tried, strict=True):
        mark = " *" if item is result.best else ""
        table.add_row(text + mark, f"{item.score.interval.value:.4f}", _range(item.score.interval))
    return table


def sweep_lines(result: SweepResult) -> list[str]:
    """The best point on the rest of the questions, alone and against the first point."""
    rest = result.best_rest.interval
    lines = [f"best, on the other questions: {describe([result.best.point])[0]}: {rest.value:.4f} ({_range(rest)})"]
    if result.num_left_out:
        lines.insert(0, f"{result.num_left_out} points were left out: the budget was spent")
    for gain in result.gains:
        difference = gain.test.interval
        shown = f"{difference.value:+.4f} ({_range(difference)}), p {gain.test.p_value:.4f}"
        lines.append(f"over the first point there: {shown}")
    return lines


def sweep_dict(metric: str, result: SweepResult) -> dict[str, Any]:
    """A sweep as plain JSON values."""
    gains = [{"value": g.test.interval.value, "p_value": g.test.p_value} for g in result.gains]
    return {
        "metric": metric,
        "development": [{"point": item.point, "value": item.score.interval.value} for item in result.tried],
        "num_left_out": result.num_left_out,
        "best": result.best.point,
        "rest": vars(result.best_rest.interval),
        "gain_over_first": gains,
    }


def _range(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"
