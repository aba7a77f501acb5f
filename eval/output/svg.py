"""Plots as inline SVG that follows the page's colours: bars and differences with intervals, cumulative curves.

Written by hand because a page of a few bars should not need a plotting library at run time, and because the colours
must change with the reader's light or dark theme, which rendered plots do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from eval.metrics.stats import Interval

NUM_SERIES = 8
_WIDTH, _LABEL, _ROW, _AXIS, _RIGHT = 540, 150, 24, 30, 68


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value with interval, and the series that gives it its colour."""

    label: str
    interval: Interval
    series: int


@dataclass(frozen=True)
class Curve:
    """One cumulative curve over values of any unit."""

    label: str
    values: Sequence[float]
    series: int


def bars(items: Sequence[Bar], title: str, note: str = "") -> str:
    """Horizontal bars from 0, with whiskers over their intervals."""
    top = round_up(max((max(item.interval.high, item.interval.value) for item in items), default=1.0))
    scale = (_WIDTH - _LABEL - _RIGHT) / top
    ticks = [(_LABEL + top * part * scale, f"{top * part:.3g}") for part in (0, 0.25, 0.5, 0.75, 1)]
    rows = "".join(_bar(item, index, scale) for index, item in enumerate(items))
    return _figure(title, note, _ROW * len(items) + _AXIS, _grid(ticks, _ROW * len(items)) + rows)


def differences(items: Sequence[Bar], title: str, note: str = "") -> str:
    """A dot with its interval per item, right of the middle line where it is above 0; hollow where 0 is within."""
    reach = round_up(max((max(abs(item.interval.low), abs(item.interval.high)) for item in items), default=1.0))
    scale = (_WIDTH - _LABEL - _RIGHT) / (2 * reach)
    middle = _LABEL + reach * scale
    ticks = [(middle + reach * part * scale, f"{reach * part:+.3g}" if part else "0") for part in (-1, -0.5, 0, 0.5, 1)]
    depth = _ROW * len(items)
    zero = f'<path class="axis" d="M{middle:.1f} 2V{depth + 4}"/>'
    rows = "".join(_difference(item, index, middle, scale) for index, item in enumerate(items))
    return _figure(title, note, depth + _AXIS, _grid(ticks, depth) + zero + rows)


def curves(items: Sequence[Curve], title: str, unit: str) -> str:
    """Empirical cumulative distributions: the share of questions (up) with at most this value (across)."""
    height, left, right = 230, 50, _WIDTH - _RIGHT
    top = round_up(max((max(item.values) for item in items if item.values), default=1.0))
    scale = (right - left) / top
    ticks = [(left + top * part * scale, f"{top * part:,.6g}") for part in (0, 0.25, 0.5, 0.75, 1)]
    lines = "".join(_curve(item, left, scale, height - 60) for item in items)
    axes = f'<path class="axis" d="M{left} 10V{height - 50}H{right}"/>'
    sides = f'<text x="{left - 6}" y="16" text-anchor="end">100 %</text>'
    sides += (
        f'<text class="value" x="{(left + right) / 2:.0f}" y="{height - 6}" text-anchor="middle">{escape(unit)}</text>'
    )
    return _figure(title, "", height, _grid(ticks, height - 54) + axes + sides + lines)


def round_up(value: float) -> float:
    """The next of 1, 2, 5 and their tenfolds, 1 for nothing: an axis whose ticks read well."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))


def _bar(item: Bar, index: int, scale: float) -> str:
    y, value = index * _ROW + 4, item.interval.value
    end = max(item.interval.high, value) * scale + _LABEL
    return (
        f"{_label(item, index)}"
        f'<rect class="s{item.series % NUM_SERIES}" x="{_LABEL}" y="{y}" width="{max(value * scale, 0.5):.1f}" '
        f'height="{_ROW - 7}" rx="2">{_hint(item)}</rect>{_whisker(item.interval, index, _LABEL, scale)}'
        f'<text class="value" x="{end + 6:.1f}" y="{y + 13}">{value:.3g}</text>'
    )


def _difference(item: Bar, index: int, zero: float, scale: float) -> str:
    is_open = item.interval.low <= 0 <= item.interval.high
    kind = "open" if is_open else f"s{item.series % NUM_SERIES}"
    x, y = zero + item.interval.value * scale, index * _ROW + 12.5
    return (
        f"{_label(item, index)}{_whisker(item.interval, index, zero, scale)}"
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="5">{_hint(item)}</circle>'
        f'<text class="value" x="{_WIDTH - _RIGHT + 10}" y="{y + 4.5}">{item.interval.value:+.3g}</text>'
    )


def _label(item: Bar, index: int) -> str:
    text = item.label if len(item.label) <= 22 else f"{item.label[:21]}…"
    return f'<text x="{_LABEL - 8}" y="{index * _ROW + 17}" text-anchor="end">{escape(text)}</text>'


def _hint(item: Bar) -> str:
    interval = item.interval
    return f"<title>{escape(item.label)}: {interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})</title>"


def _whisker(interval: Interval, index: int, zero: float, scale: float) -> str:
    low, high = (zero + value * scale for value in (interval.low, interval.high))
    y = index * _ROW + 12.5
    ends = f"M{low:.1f} {y - 4}v8M{high:.1f} {y - 4}v8"
    return f'<path class="whisker" d="M{low:.1f} {y}H{high:.1f}{ends}"/>'


def _curve(item: Curve, left: float, scale: float, depth: float) -> str:
    values, bottom = sorted(item.values), depth + 10
    points, num = [f"M{left} {bottom:.1f}"], len(values)
    for rank, value in enumerate(values, start=1):
        points.append(f"H{left + value * scale:.1f}V{bottom - depth * rank / num:.1f}")
    title = f"<title>{escape(item.label)}</title>"
    return f'<path class="curve c{item.series % NUM_SERIES}" d="{"".join(points)}">{title}</path>'


def _grid(ticks: Sequence[tuple[float, str]], depth: float) -> str:
    lines = "".join(f"M{x:.1f} 2V{depth + 4}" for x, _ in ticks)
    texts = (
        f'<text class="value" x="{x:.1f}" y="{depth + 20}" text-anchor="middle">{text}</text>' for x, text in ticks
    )
    return f'<path class="grid" d="{lines}"/>{"".join(texts)}'


def _figure(title: str, note: str, height: float, body: str) -> str:
    svg = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">{body}</svg>'
    dim = f'<p class="dim">{escape(note)}</p>' if note else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{dim}{svg}</figure>"
