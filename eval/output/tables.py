"""What ``concord eval`` shows in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from eval.metrics.stats import Interval
from eval.run.evaluation import Evaluation
from eval.run.runner import Progress as Report
from eval.run.runner import RunReport
from eval.studies.compare import Comparison
from eval.studies.sweep import SweepResult, describe


@contextmanager
def progress_bar(heading: str = "asking") -> Iterator[Report]:
    """A bar on standard error; yields what the runner reports to."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(_short(heading), total=None)

    def show(num_done: int, num_all: int) -> None:
        bar.start()  # not before there is something to ask: an error about the input stands alone
        bar.update(task, completed=num_done, total=num_all)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


def summary_table(evaluation: Evaluation) -> None:
    """The figures of one run, its costs, and where its results lie."""
    summary, report = evaluation.summary, evaluation.report
    table = Table("metric", "value", "interval", "questions", title=summary.name)
    for item in summary.scores:
        table.add_row(item.metric, f"{item.interval.value:.4f}", _range(item.interval), str(item.num_questions))
    console = Console()
    if summary.scores:
        console.print(table)
    if summary.inapplicable:
        lacking = ", ".join(summary.inapplicable)
        console.print(f"no question has what these need: {lacking}", style="dim", highlight=False)
    costs = summary.costs
    waits = (costs.latency_p50_ms, costs.latency_p95_ms, costs.latency_p99_ms)
    console.print(
        f"latency p50, p95, p99: {', '.join(f'{wait:.0f}' for wait in waits)} ms; "
        f"{costs.questions_per_s:.2f} questions/s, {costs.tokens_per_s:.1f} tokens/s",
        highlight=False,
    )
    console.print(f"{run_line([report])}; results in {evaluation.run.path}", highlight=False, soft_wrap=True)


def run_line(reports: Sequence[RunReport]) -> str:
    """What was asked, and how much of the time the harness took for itself; runs answered together count once."""
    spans = {(item.wall_s * item.num_workers, item.answerer_s) for item in reports if item.num_asked}
    wall_s, answerer_s = (sum(times) for times in zip(*spans, strict=True)) if spans else (0.0, 0.0)
    counts = [sum(getattr(item, name) for item in reports) for name in ("num_asked", "num_resumed", "num_refused")]
    share = 1.0 - answerer_s / wall_s if wall_s else 0.0
    return "{} asked, {} resumed, {} refused; ".format(*counts) + f"harness {share:.2%} of {wall_s:.1f} s"


def comparison_table(items: Sequence[Comparison]) -> None:
    """Paired differences; p is not corrected for the number of rows."""
    table = Table("metric", "run", "value", "first run", "difference", "interval", "p")
    for item in items:
        mark = "*" if item.is_significant else ""
        difference = item.test.interval
        values = (f"{item.other_interval.value:.4f}", f"{item.base_interval.value:.4f}", f"{difference.value:+.4f}")
        table.add_row(item.metric, item.other, *values, _range(difference), f"{item.test.p_value:.4f}{mark}")
    Console().print(table)


def comparison_dict(item: Comparison) -> dict[str, Any]:
    """One comparison as plain JSON values."""
    names = {"metric": item.metric, "base": item.base, "other": item.other}
    figures = {"p_value": item.test.p_value, "num_questions": item.test.num_questions}
    return names | {"difference": vars(item.test.interval)} | figures


def print_differences(base: str, other: str, settings: Mapping[str, tuple[object, object]]) -> None:
    """The settings in which two runs differ."""
    listed = ", ".join(f"{key}: {a!r} -> {b!r}" for key, (a, b) in settings.items()) or "nothing"
    Console().print(f"{base} -> {other} differ in {listed}", highlight=False, soft_wrap=True, markup=False)


def sweep_table(metric: str, result: SweepResult) -> None:
    """All points on the development split, the best on the rest."""
    table = Table("point", f"{metric} (development)", "interval", title="Sweep")
    for text, item in zip(describe([item.point for item in result.tried]), result.tried, strict=True):
        mark = " *" if item is result.best else ""
        table.add_row(text + mark, f"{item.score.interval.value:.4f}", _range(item.score.interval))
    console = Console()
    console.print(table)
    if result.num_left_out:
        console.print(f"{result.num_left_out} points were left out: the budget was spent")
    rest = result.best_rest.interval
    console.print(
        f"best, on the other questions: {describe([result.best.point])[0]}: {rest.value:.4f} ({_range(rest)})"
    )
    for gain in result.gains:
        difference = gain.test.interval
        console.print(
            f"over the first point there: {difference.value:+.4f} ({_range(difference)}), p {gain.test.p_value:.4f}"
        )


def sweep_dict(metric: str, result: SweepResult) -> dict[str, Any]:
    """The same as plain JSON values."""
    gains = [{"value": g.test.interval.value, "p_value": g.test.p_value} for g in result.gains]
    return {
        "metric": metric,
        "development": [{"point": item.point, "value": item.score.interval.value} for item in result.tried],
        "num_left_out": result.num_left_out,
        "best": result.best.point,
        "rest": vars(result.best_rest.interval),
        "gain_over_first": gains,
    }


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _range(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"
