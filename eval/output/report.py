"""A self-contained page about runs: plots first, then tables, then the answers themselves. Nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

from eval.metrics.answers import contains_answer
from eval.metrics.scores import describe_metric
from eval.metrics.stats import Interval
from eval.output.page_style import STYLE
from eval.output.svg import NUM_SERIES, Bar, Curve, bars, curves, differences
from eval.records import Record
from eval.run.store import Run
from eval.run.summary import Summary
from eval.studies.compare import Comparison, differing_settings

_MAX_ANSWERS = 200
Labels = Mapping[str, str]


def report_page(
    runs: Sequence[Run], summaries: Sequence[Summary], comparisons: Sequence[Comparison] = (), title: str = "Evaluation"
) -> str:
    """The page as HTML. ``summaries`` run parallel to ``runs``; ``comparisons`` are with the first run, or none."""
    labels = short_names([run.name for run in runs])
    parts = [
        f"<h1>{escape(title)}</h1>",
        _legend(runs, labels),
        *map(_warning, summaries),
        _figures(summaries, labels),
        _differences(comparisons, labels),
        "<h2>Time</h2>",
        _latency(runs, labels),
        _costs(summaries, labels),
        "<h2>Answers</h2>",
        _answers(runs, labels),
        "<h2>Settings</h2>",
        _settings(runs, labels),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    return (
        f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without the words at either end that all share: ``conflicting-cad-1f2e`` becomes ``cad``."""
    rest = [name.split("-") for name in names]
    for end in (0, -1):
        while len(rest) > 1 and min(map(len, rest)) > 1 and len({words[end] for words in rest}) == 1:
            for words in rest:
                del words[end]
    return dict(zip(names, map("-".join, rest), strict=True))


def _legend(runs: Sequence[Run], labels: Labels) -> str:
    items = (
        f'<span class="run"><span class="key k{index % NUM_SERIES}"></span>{escape(labels[run.name])} '
        f'<span class="dim">{len(run.records)} questions</span></span>'
        for index, run in enumerate(runs)
    )
    return f"<p>{''.join(items)}</p>"


def _warning(summary: Summary) -> str:
    missing = summary.num_trials - summary.num_answered - summary.num_refused
    texts = []
    if missing:
        texts.append(f"{missing} of {summary.num_trials} questions are still to be asked; figures are of the rest")
    if summary.num_refused:
        texts.append(f"{summary.num_refused} questions could not be answered and score 0")
    return f'<p class="warn">{escape(summary.name)}: {"; ".join(texts)}.</p>' if texts else ""


def _figures(summaries: Sequence[Summary], labels: Labels) -> str:
    """One plot per metric, a bar per run; metrics in the order of their first use. The same figures as a table."""
    found = [(summary.name, index, item) for index, summary in enumerate(summaries) for item in summary.scores]
    metrics = list(dict.fromkeys(item.metric for _, _, item in found))
    plots = [
        bars(
            [Bar(labels[name], item.interval, index) for name, index, item in found if item.metric == metric],
            metric,
            describe_metric(metric),
        )
        for metric in metrics
    ]
    cells_of = {(name, item.metric): f"{_shown(item.interval)} n={item.num_questions}" for name, _, item in found}
    names = [summary.name for summary in summaries]
    head = ["", *(labels[name] for name in names)]
    table = [[metric, *(cells_of.get((name, metric), "-") for name in names)] for metric in metrics]
    return (
        '<h2>Figures</h2><p class="dim">Bars are values, whiskers their 95 % bootstrap intervals over questions.</p>'
        f'<div class="plots">{"".join(plots)}</div>'
        f"<details><summary>The same as a table</summary>{_rows(head, table)}</details>"
    )


def _differences(comparisons: Sequence[Comparison], labels: Labels) -> str:
    """One plot per metric, a dot per run."""
    if not comparisons:
        return ""
    metrics = dict.fromkeys(item.metric for item in comparisons)
    moved = {item.metric for item in comparisons if item.test.interval != Interval(0.0, 0.0, 0.0)}
    alike = [metric for metric in metrics if metric not in moved]
    series = {name: index for index, name in enumerate(labels)}
    plots = [
        differences(
            [
                Bar(labels[item.other], item.test.interval, series[item.other])
                for item in comparisons
                if item.metric == metric
            ],
            metric,
        )
        for metric in metrics
        if metric in moved
    ]
    base = labels[comparisons[0].base]
    head = ["metric", "run", f"minus {base}", "p", "questions"]
    rows = [
        [
            item.metric,
            labels[item.other],
            _shown(item.test.interval, "+"),
            f"{item.test.p_value:.4f}",
            str(item.test.num_questions),
        ]
        for item in comparisons
    ]
    note = (
        f"Each run minus {base}, question by question. A hollow dot: the interval holds 0, so no difference is shown. "
        f"p is not corrected for the {len(rows)} tests."
        + (f" The same in all runs: {', '.join(alike)}." if alike else "")
    )
    return (
        f'<h2>Differences from {escape(base)}</h2><p class="dim">{escape(note)}</p>'
        f'<div class="plots">{"".join(plots)}</div>'
        f"<details><summary>The same as a table</summary>{_rows(head, rows)}</details>"
    )


def _latency(runs: Sequence[Run], labels: Labels) -> str:
    items = [
        Curve(labels[run.name], [record.batch.wall_ms / 1000.0 for record in run.records], index)
        for index, run in enumerate(runs)
    ]
    plot = curves(items, "Latency: share of questions answered within", "seconds, the whole batch")
    return f'<div class="plots">{plot}</div>'


def _costs(summaries: Sequence[Summary], labels: Labels) -> str:
    head = ["run", "p50 ms", "p95 ms", "p99 ms", "questions/s", "tokens/s", "engine ms per question, by stage"]
    rows = []
    for summary in summaries:
        costs = summary.costs
        figures = (costs.latency_p50_ms, costs.latency_p95_ms, costs.latency_p99_ms)
        stages = ", ".join(f"{name} {time_ms:.1f}" for name, time_ms in costs.stages_ms.items())
        rates = (f"{costs.questions_per_s:.2f}", f"{costs.tokens_per_s:.1f}")
        rows.append([labels[summary.name], *(f"{value:.0f}" for value in figures), *rates, stages])
    note = "Runs that were answered in the same batches share their time: each shows the time of all."
    return f'{_rows(head, rows)}<p class="dim">{note}</p>'


def _settings(runs: Sequence[Run], labels: Labels) -> str:
    differing = {key for run in runs[1:] for key in differing_settings(runs[0], run)}
    keys = sorted({key for run in runs for key in run.identity})
    head = ["setting", *(labels[run.name] for run in runs)]
    own = _rows(head, [_setting(key, runs) for key in keys if key in differing])
    shared = _rows(["setting", "all runs"], [_setting(key, runs[:1]) for key in keys if key not in differing])
    return f"{own if differing else ''}<details><summary>Settings that all share</summary>{shared}</details>"


def _setting(key: str, runs: Sequence[Run]) -> list[str]:
    return [key, *(json.dumps(run.identity.get(key), ensure_ascii=False) for run in runs)]


def _answers(runs: Sequence[Run], labels: Labels) -> str:
    """A row per question, a column per run; right and wrong by containment."""
    by_id = [{record.question_id: record for record in run.records} for run in runs]
    ids = list(dict.fromkeys(key for records in by_id for key in records))
    rows = "".join(_answer_row([records.get(key) for records in by_id]) for key in ids[:_MAX_ANSWERS])
    more = len(ids) - _MAX_ANSWERS
    note = f'<p class="dim">{more} more are in the result files.</p>' if more > 0 else ""
    heads = ["question", "right", *(labels[run.name] for run in runs), "memory says", "documents say", "conflict"]
    top = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    table = f'<table class="answers"><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<details open><summary>{len(ids)} questions</summary><div class="wide">{table}</div></details>{note}'


def _answer_row(records: Sequence[Record | None]) -> str:
    first = next(record for record in records if record is not None)
    trace = next((record.conflict for record in records if record and record.conflict), None)
    said = [trace.memory_answer, trace.context_answer, f"{trace.score:.2f}"] if trace else ["", "", ""]
    plain = [first.question, " | ".join(first.references)]
    return f"<tr>{_cells(plain)}{''.join(map(_answer, records))}{_cells(said)}</tr>"


def _answer(record: Record | None) -> str:
    if record is None:
        return "<td></td>"
    if record.answer is None:
        return f'<td class="wrong">({escape(record.error)})</td>'
    is_right = contains_answer(record.answer, record.references)
    return f'<td class="{"right" if is_right else "wrong"}">{"✓" if is_right else "✗"} {escape(record.answer)}</td>'


def _shown(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in texts)


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
