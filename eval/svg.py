"""Plots as inline SVG that follows the page's colours: bars with intervals, and cumulative curves.

Written by hand because a page of a few bars should not need a plotting library at run time, and because the colours
must change with the reader's light or dark theme, which rendered plots do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from eval.stats import Interval

_WIDTH, _LABEL, _ROW, _AXIS = 720, 220, 26, 28


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


def bars(items: Sequence[Bar], title: str) -> str:
    """Horizontal bars from 0, with whiskers over their intervals."""
    top = max((item.interval.high for item in items), default=0.0)
    top = max(top, max((item.interval.value for item in items), default=0.0)) or 1.0
    scale = (_WIDTH - _LABEL - 90) / top
    height = _ROW * len(items) + _AXIS
    rows = "".join(_bar(item, index, scale) for index, item in enumerate(items))
    return _figure(title, height, rows)


def _bar(item: Bar, index: int, scale: float) -> str:
    y, middle = index * _ROW + 6, index * _ROW + _ROW / 2 + 3
    low, high = (_LABEL + value * scale for value in (item.interval.low, item.interval.high))
    value = item.interval.value
    return (
        f'<text x="{_LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(_short(item.label))}</text>'
        f'<rect class="s{item.series % 6}" x="{_LABEL}" y="{y}" width="{max(value * scale, 0.5):.1f}" '
        f'height="{_ROW - 8}" rx="2"><title>{escape(item.label)}: {value:.4f} '
        f"({item.interval.low:.4f} to {item.interval.high:.4f})</title></rect>"
        f'<path class="whisker" d="M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 4:.1f}v8'
        f'M{high:.1f} {middle - 4:.1f}v8"/>'
        f'<text class="value" x="{max(high, _LABEL + value * scale) + 6:.1f}" y="{middle + 4:.1f}">{value:.3g}</text>'
    )


def curves(items: Sequence[Curve], title: str, unit: str) -> str:
    """Empirical cumulative distributions: the share of questions (up) with at most this value (across)."""
    height, left, right = 240, 50, _WIDTH - 20
    top = max((max(item.values) for item in items if item.values), default=0.0) or 1.0
    scale = (right - left) / top
    lines = "".join(_curve(item, left, scale, height - 50) for item in items)
    ticks = "".join(
        f'<text x="{left + top * part * scale:.0f}" y="{height - 18}" text-anchor="middle">{top * part:.3g}</text>'
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    axes = f'<path class="axis" d="M{left} 10V{height - 40}H{right}"/>'
    sides = f'<text x="{left - 6}" y="16" text-anchor="end">100 %</text>'
    sides += f'<text x="{(left + right) / 2:.0f}" y="{height - 2}" text-anchor="middle">{escape(unit)}</text>'
    return _figure(title, height, axes + ticks + sides + lines)


def _curve(item: Curve, left: float, scale: float, depth: float) -> str:
    values, bottom = sorted(item.values), depth + 10
    points, num = [f"M{left} {bottom:.1f}"], len(values)
    for rank, value in enumerate(values, start=1):
        points.append(f"H{left + value * scale:.1f}V{bottom - depth * rank / num:.1f}")
    title = f"<title>{escape(item.label)}</title>"
    return f'<path class="curve c{item.series % 6}" d="{"".join(points)}">{title}</path>'


def _figure(title: str, height: float, body: str) -> str:
    svg = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">{body}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"


def _short(label: str, limit: int = 32) -> str:
    return label if len(label) <= limit else label[: limit - 1] + "…"
