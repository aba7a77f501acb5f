"""The page: self-contained, well-formed, and safe with any text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eval.metrics.stats import Interval
from eval.output.report import report_page, short_names
from eval.output.svg import Bar, Curve, bars, curves, differences, round_up
from eval.records import BatchTiming, ConflictSummary, Record
from eval.run.store import Run
from eval.run.summary import summarize
from eval.studies.compare import compare_runs

VOID = {"meta", "br"}
TRACE = ConflictSummary(0.5, True, "documents' side", "memory's side", 4, 2, 0.1, 0.2, 0.3)
HOSTILE = '<script>alert("1")</script> & <img src="http://host/x">'


class Checker(HTMLParser):
    """Collects tags, what they would fetch, and whether they close as they opened."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def run(name: str, answer: str) -> Run:
    records = tuple(
        Record(f"q{n}", HOSTILE, answer if n else None, ("yes",), conflict=TRACE, batch=BatchTiming(0, 9, 5.0 + n))
        for n in range(9)
    )
    return Run(Path(f"{name}.jsonl"), {"decoder": name}, 10, records)


@pytest.fixture(scope="module")
def page() -> str:
    runs = [run("cad<b>", "yes"), run("plain", HOSTILE)]
    summaries = [summarize(item, ["exact_match", "f1", "gate_open_rate"]) for item in runs]
    return report_page(runs, summaries, compare_runs(runs[0], runs[1], ["f1"]), "A & B")


def test_well_formed_and_fetches_nothing(page: str) -> None:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert checker.fetched == []
    assert not {"script", "img", "link", "iframe", "b"} & set(checker.tags)
    assert checker.tags.count("svg") == 5  # three metrics, one difference and the latency
    assert "url(" not in page
    assert "@import" not in page


def test_says_what_is_in_it(page: str) -> None:
    checker = Checker()
    checker.feed(page)
    text = "\n".join(checker.texts)
    for part in (
        HOSTILE,
        "cad<b>",
        "A & B",
        "memory's side",
        "Differences from cad<b>",
        "minus cad<b>",
        "1 of 10 questions are still",
    ):
        assert part in text
    assert "1 questions could not be answered and score 0" in text
    assert "prefers-color-scheme:dark" in page
    assert "color-scheme:light dark" in page


def test_bars_are_to_scale() -> None:
    figure = bars([Bar("a", Interval(0.5, 0.4, 0.6), 0), Bar("b", Interval(1.0, 1.0, 1.0), 1)], "f1")
    widths = [float(value) for value in re.findall(r'<rect [^>]*width="([0-9.]+)"', figure)]
    assert widths[1] == pytest.approx(2 * widths[0], rel=1e-3)


def test_differences_are_hollow_where_they_may_be_none() -> None:
    items = [
        Bar("a", Interval(0.1, 0.02, 0.2), 3),
        Bar("b", Interval(0.1, -0.1, 0.3), 1),
        Bar("c", Interval(-0.3, -0.4, -0.2), 2),
    ]
    dots = re.findall(r'<circle class="(\w+)" cx="([0-9.]+)"', differences(items, "f1"))
    assert [kind for kind, _ in dots] == ["s3", "open", "s2"]
    (zero,) = re.findall(r'class="axis" d="M([0-9.]+)', differences(items, "f1"))
    places = [float(x) - float(zero) for _, x in dots]
    assert places[0] == places[1] > 0
    assert places[2] == pytest.approx(-3 * places[0], abs=0.3)


@pytest.mark.parametrize(
    ("value", "top"), [(0.0, 1.0), (0.04, 0.05), (0.2, 0.2), (0.21, 0.5), (1.0, 1.0), (371.0, 500.0), (6e4, 1e5)]
)
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert round_up(value) == pytest.approx(top)


def test_names_lose_what_all_share() -> None:
    names = ["conflicting-plain-1f", "conflicting-cad-1f", "conflicting-ckplug-0-1f"]
    assert list(short_names(names).values()) == ["plain", "cad", "ckplug-0"]
    assert short_names(["a-b"]) == {"a-b": "a-b"}
    assert short_names(["a", "a-b"]) == {"a": "a", "a-b": "a-b"}


def test_answers_of_all_runs_stand_side_by_side(page: str) -> None:
    assert page.count('<td class="right">✓ yes</td>') == 8
    assert page.count('<td class="wrong">✗ &lt;script&gt;') == 8


def test_plots_of_nothing_do_not_fail() -> None:
    assert "<svg" in bars([], "none")
    assert "<svg" in differences([], "none")
    assert "<svg" in curves([Curve("a", [0.0], 0)], "none", "ms")


def test_a_curve_ends_at_every_question() -> None:
    (path,) = re.findall(r'class="curve c0" d="([^"]+)"', curves([Curve("a", [1.0, 4.0, 2.0, 3.0], 0)], "t", "ms"))
    heights = [float(value) for value in re.findall(r"V([0-9.]+)", path)]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] == 10.0


@pytest.mark.parametrize("value", [-0.08333, 0.08333, 0.98765])
def test_values_are_not_cut_off_at_the_right(value: float) -> None:
    plot = differences([Bar("a", Interval(value, value - 0.001, 1.0), 0)], "f1")
    (width,) = re.findall(r'viewBox="0 0 (\d+) ', plot)
    x, text = re.findall(r'class="value" x="([0-9.]+)" y="[0-9.]+">([^<]+)</text></svg>', plot)[0]
    assert float(x) + 7.6 * len(text) <= float(width)  # a digit of the 12-pixel font takes 7.6
