"""A self-contained page about runs: plots first, then tables, then the answers themselves. Nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from eval.compare import Comparison, differing_settings
from eval.metrics import contains_answer
from eval.records import Record
from eval.stats import Interval
from eval.store import Run
from eval.summary import Summary
from eval.svg import Bar, Curve, bars, curves

_MAX_ANSWERS = 200

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#5b6470;--line:#d5dae0;--card:#f6f8fa;
--s0:#3b6fb6;--s1:#c2571a;--s2:#2e8b57;--s3:#8e4fb0;--s4:#b0902a;--s5:#5a7280}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e8ed;--dim:#97a1ad;--line:#353c45;--card:#1d2228;
--s0:#6fa3e8;--s1:#f0935a;--s2:#5fc48d;--s3:#c48fe0;--s4:#dcc064;--s5:#93abb9}}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
figure{margin:1rem 0;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.6rem}
figcaption{font-weight:600;margin-bottom:.3rem}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--fg)}svg .value{fill:var(--dim)}
.whisker,.axis{stroke:var(--fg);stroke-width:1.2;fill:none}.curve{fill:none;stroke-width:2}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}.wide{overflow-x:auto}.dim{color:var(--dim)}.key{display:inline-block;width:.8em;height:.8em;
border-radius:2px;margin-right:.4em}
.warn{border-left:4px solid var(--s1);padding:.3rem .8rem;background:var(--card)}
""" + "".join(f".s{i}{{fill:var(--s{i})}}.c{i}{{stroke:var(--s{i})}}.k{i}{{background:var(--s{i})}}" for i in range(6))


def report_page(
    runs: Sequence[Run], summaries: Sequence[Summary], comparisons: Sequence[Comparison] = (), title: str = "Evaluation"
) -> str:
    """The page as HTML. ``summaries`` run parallel to ``runs``; ``comparisons`` may be empty."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        _legend(runs),
        *map(_warning, summaries),
        "<h2>Figures</h2>",
        *_plots(summaries),
        _latency(runs),
        _table(summaries),
        _differences(comparisons),
        "<h2>Costs</h2>",
        _costs(summaries),
        "<h2>Settings</h2>",
        _settings(runs),
        "<h2>Answers</h2>",
        *map(_answers, runs),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    return (
        f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _legend(runs: Sequence[Run]) -> str:
    items = (f'<span class="key k{index % 6}"></span>{escape(run.name)}' for index, run in enumerate(runs))
    return f"<p>{' &nbsp; '.join(items)}</p>"


def _warning(summary: Summary) -> str:
    missing = summary.num_trials - summary.num_answered - summary.num_refused
    texts = []
    if missing:
        texts.append(f"{missing} of {summary.num_trials} questions are still to be asked; figures are of the rest")
    if summary.num_refused:
        texts.append(f"{summary.num_refused} questions could not be answered and score 0")
    return f'<p class="warn">{escape(summary.name)}: {"; ".join(texts)}.</p>' if texts else ""


def _plots(summaries: Sequence[Summary]) -> list[str]:
    """One plot per metric, a bar per run; metrics in the order of their first use."""
    found = [(summary.name, index, item) for index, summary in enumerate(summaries) for item in summary.scores]
    return [
        bars([Bar(name, item.interval, index) for name, index, item in found if item.metric == metric], metric)
        for metric in dict.fromkeys(item.metric for _, _, item in found)
    ]


def _latency(runs: Sequence[Run]) -> str:
    items = [Curve(run.name, [record.batch.wall_ms for record in run.records], index) for index, run in enumerate(runs)]
    return curves(items, "Latency: share of questions answered within", "milliseconds, the whole batch")


def _table(summaries: Sequence[Summary]) -> str:
    rows = [
        [item.metric, summary.name, f"{item.interval.value:.4f}", _range(item.interval), str(item.num_questions)]
        for metric in dict.fromkeys(item.metric for summary in summaries for item in summary.scores)
        for summary in summaries
        for item in summary.scores
        if item.metric == metric
    ]
    return _rows(["metric", "run", "value", "interval", "questions"], rows)


def _range(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"


def _differences(comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        return ""
    rows = [
        [
            item.metric,
            f"{item.other} minus {item.base}",
            f"{item.test.interval.value:+.4f}",
            _range(item.test.interval),
            f"{item.test.p_value:.4f}",
            str(item.test.num_questions),
        ]
        for item in comparisons
    ]
    note = f"Paired by question. p is not corrected for the {len(rows)} tests in this table."
    head = ["metric", "difference", "value", "interval", "p", "questions"]
    return f'<h2>Differences</h2><p class="dim">{note}</p>{_rows(head, rows)}'


def _costs(summaries: Sequence[Summary]) -> str:
    head = ["run", "p50 ms", "p95 ms", "p99 ms", "questions/s", "tokens/s", "engine ms per question, by stage"]
    rows = []
    for summary in summaries:
        costs = summary.costs
        figures = (costs.latency_p50_ms, costs.latency_p95_ms, costs.latency_p99_ms)
        stages = ", ".join(f"{name} {time_ms:.1f}" for name, time_ms in costs.stages_ms.items())
        rates = (f"{costs.questions_per_s:.2f}", f"{costs.tokens_per_s:.1f}")
        rows.append([summary.name, *(f"{value:.0f}" for value in figures), *rates, stages])
    return _rows(head, rows)


def _settings(runs: Sequence[Run]) -> str:
    differing = {key for run in runs[1:] for key in differing_settings(runs[0], run)}
    keys = sorted({key for run in runs for key in run.identity}, key=lambda key: (key not in differing, key))
    rows = [[key, *(json.dumps(run.identity.get(key), ensure_ascii=False) for run in runs)] for key in keys]
    return _rows(["setting", *(run.name for run in runs)], rows)


def _answers(run: Run) -> str:
    rows = [_answer(record) for record in run.records[:_MAX_ANSWERS]]
    more = len(run.records) - len(rows)
    note = f'<p class="dim">{more} more are in the result file.</p>' if more > 0 else ""
    table = _rows(["question", "answer", "references", "right", "conflict", "memory says", "documents say"], rows)
    return f"<details><summary>{escape(run.name)}</summary>{table}{note}</details>"


def _answer(record: Record) -> list[str]:
    trace = record.conflict
    text = f"({record.error})" if record.answer is None else record.answer
    is_right = contains_answer(record.answer or "", record.references)
    said = [f"{trace.score:.2f}", trace.memory_answer, trace.context_answer] if trace else ["", "", ""]
    return [record.question, text, " | ".join(record.references), "yes" if is_right else "no", *said]


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
