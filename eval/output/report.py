"""A self-contained page about runs: plots first, then tables, then the answers themselves. It fetches nothing.

This module gathers what the page shows; ``templates/report.html`` says how. The template escapes every text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eval.metrics.names import describe_metric
from eval.metrics.stats import Interval, show_confidence
from eval.output.answers import answer_rows
from eval.output.svg import NUM_SERIES, Bar, Curve, bars, curves, differences
from eval.output.verdicts import verdict_rows
from eval.run.store import Run
from eval.run.summary import Summary
from eval.studies.compare import Comparison, differing_settings

Labels = Mapping[str, str]


@dataclass(frozen=True)
class PageTable:
    """A table of plain texts."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """Plots, the sentence above them, and the same figures as a table."""

    note: str
    plots: Sequence[Markup]
    table: PageTable


@dataclass(frozen=True)
class RunLabel:
    """A run as the legend shows it; ``series`` is the number of its colour."""

    label: str
    series: int
    num_questions: int


def report_page(
    runs: Sequence[Run], summaries: Sequence[Summary], comparisons: Sequence[Comparison] = (), title: str = "Evaluation"
) -> str:
    """The page as HTML.

    Args:
        summaries: of ``runs``, in their order.
        comparisons: of the other runs with the first one; may be empty.
    """
    labels = short_names([run.name for run in runs])
    differing, shared = _settings(runs, labels)
    rows, num_questions = answer_rows(runs)
    return (
        _templates()
        .get_template("report.html")
        .render(
            title=title,
            runs=[RunLabel(labels[run.name], i % NUM_SERIES, len(run.records)) for i, run in enumerate(runs)],
            warnings=[text for summary in summaries if (text := _warning(summary))],
            figures=_figures(summaries, labels),
            differences=_differences(comparisons, labels) if comparisons else None,
            base=labels[runs[0].name],
            verdicts=_verdicts(summaries, labels),
            latency=_latency(runs, labels),
            costs=_costs(summaries, labels),
            answers=rows,
            num_questions=num_questions,
            differing=differing,
            shared=shared,
        )
    )


def _templates() -> Environment:
    loader = PackageLoader("eval.output")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without the words at either end that all of them share: ``conflicting-cad-1f2e`` becomes ``cad``."""
    rest = [name.split("-") for name in names]
    for end in (0, -1):
        while len(rest) > 1 and min(map(len, rest)) > 1 and len({words[end] for words in rest}) == 1:
            for words in rest:
                del words[end]
    return dict(zip(names, map("-".join, rest), strict=True))


def _warning(summary: Summary) -> str:
    missing = summary.num_trials - summary.num_answered - summary.num_refused
    texts = []
    if missing:
        texts.append(f"{missing} of {summary.num_trials} questions are still to be asked; figures are of the rest")
    if summary.num_refused:
        texts.append(f"{summary.num_refused} questions could not be answered and score 0")
    return f"{summary.name}: {'; '.join(texts)}." if texts else ""


def _figures(summaries: Sequence[Summary], labels: Labels) -> Section:
    """One plot per metric with a bar per run; metrics in the order of their first use."""
    scores = [(summary.name, index, item) for index, summary in enumerate(summaries) for item in summary.scores]
    metrics = list(dict.fromkeys(item.metric for _, _, item in scores))
    plots = []
    for metric in metrics:
        items = [Bar(labels[name], item.interval, index) for name, index, item in scores if item.metric == metric]
        plots.append(Markup(bars(items, metric, describe_metric(metric))))
    cells = {(name, item.metric): f"{_show(item.interval)} n={item.num_questions}" for name, _, item in scores}
    names = [summary.name for summary in summaries]
    rows = [[metric, *(cells.get((name, metric), "-") for name in names)] for metric in metrics]
    confidences = " or ".join(dict.fromkeys(show_confidence(summary.confidence) for summary in summaries))
    note = f"Bars are values, whiskers their {confidences} bootstrap intervals over questions."
    return Section(note, plots, PageTable(["", *(labels[name] for name in names)], rows))


def _differences(comparisons: Sequence[Comparison], labels: Labels) -> Section:
    """One plot per metric with a dot per run; metrics in which nothing differs are only named."""
    metrics = dict.fromkeys(item.metric for item in comparisons)
    moved = {item.metric for item in comparisons if item.test.interval != Interval(0.0, 0.0, 0.0)}
    series = {name: index for index, name in enumerate(labels)}
    plots = []
    for metric in (name for name in metrics if name in moved):
        dots = [(item.other, item.test.interval) for item in comparisons if item.metric == metric]
        items = [Bar(labels[name], interval, series[name]) for name, interval in dots]
        plots.append(Markup(differences(items, metric)))
    base = labels[comparisons[0].base]
    return Section(
        _difference_note(base, comparisons, [metric for metric in metrics if metric not in moved]),
        plots,
        PageTable(
            ["metric", "run", f"minus {base}", "p", "questions"],
            [_difference_row(item, labels) for item in comparisons],
        ),
    )


def _difference_note(base: str, comparisons: Sequence[Comparison], unmoved: Sequence[str]) -> str:
    confidence = show_confidence(comparisons[0].confidence)
    note = (
        f"Each run minus {base}, question by question, with {confidence} intervals. A hollow dot: the interval "
        f"contains 0, so no difference is shown. p is not corrected for the {len(comparisons)} tests."
    )
    return note + (f" The same in all runs: {', '.join(unmoved)}." if unmoved else "")


def _difference_row(item: Comparison, labels: Labels) -> list[str]:
    test = item.test
    return [item.metric, labels[item.other], _show(test.interval, "+"), f"{test.p_value:.4f}", str(test.num_questions)]


def _verdicts(summaries: Sequence[Summary], labels: Labels) -> PageTable | None:
    """What the sources said in each run; ``None`` where no run made verdicts."""
    counts = [summary.verdicts for summary in summaries]
    if not any(counts):
        return None
    return PageTable(["verdict", *(labels[summary.name] for summary in summaries)], verdict_rows(counts))


def _latency(runs: Sequence[Run], labels: Labels) -> Markup:
    items = [
        Curve(labels[run.name], [record.batch.wall_ms / 1000.0 for record in run.records], index)
        for index, run in enumerate(runs)
    ]
    return Markup(curves(items, "Latency: share of questions answered within", "seconds, the whole batch"))


def _costs(summaries: Sequence[Summary], labels: Labels) -> PageTable:
    head = ["run", "p50 ms", "p95 ms", "p99 ms", "questions/s", "tokens/s", "engine ms per question, by stage"]
    rows = []
    for summary in summaries:
        costs = summary.costs
        latencies = (costs.latency_p50_ms, costs.latency_p95_ms, costs.latency_p99_ms)
        stages = ", ".join(f"{name} {time_ms:.1f}" for name, time_ms in costs.stages_ms.items())
        rates = (f"{costs.questions_per_s:.2f}", f"{costs.tokens_per_s:.1f}")
        rows.append([labels[summary.name], *(f"{value:.0f}" for value in latencies), *rates, stages])
    return PageTable(head, rows)


def _settings(runs: Sequence[Run], labels: Labels) -> tuple[PageTable, PageTable]:
    """The settings in which the runs differ, and those that they share."""
    differing = {key for run in runs[1:] for key in differing_settings(runs[0], run)}
    keys = sorted({key for run in runs for key in run.identity})
    head = ["setting", *(labels[run.name] for run in runs)]
    return (
        PageTable(head, [_setting(key, runs) for key in keys if key in differing]),
        PageTable(["setting", "all runs"], [_setting(key, runs[:1]) for key in keys if key not in differing]),
    )


def _setting(key: str, runs: Sequence[Run]) -> list[str]:
    return [key, *(json.dumps(run.identity.get(key), ensure_ascii=False) for run in runs)]


def _show(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"
