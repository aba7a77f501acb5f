"""Paired comparison of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.records import Record
from eval.run.store import Run
from eval.studies.compare import compare_runs, differing_settings
from rag.core.errors import SettingError


def run(name: str, answers: Sequence[str | None], num_trials: int = 0, start: int = 0, **identity: object) -> Run:
    records = tuple(
        Record(f"q{n}", f"question {n}?", answer, ("yes",)) for n, answer in enumerate(answers, start=start)
    )
    return Run(Path(f"{name}.jsonl"), identity, num_trials or len(answers), records)


def test_difference_by_hand() -> None:
    (item,) = compare_runs(run("a", ["no"] * 30 + ["yes"] * 10), run("b", ["yes"] * 40), ["exact_match"])
    assert (item.base_interval.value, item.other_interval.value) == (0.25, 1.0)
    assert item.test.interval.value == 0.75
    assert item.is_significant
    assert item.test.num_questions == 40


def test_equal_runs() -> None:
    (item,) = compare_runs(run("a", ["yes", "no"] * 5), run("b", ["yes", "no"] * 5), ["f1"])
    assert (item.test.interval.value, item.test.p_value, item.is_significant) == (0.0, 1.0, False)


def test_pairs_are_by_id_and_not_by_place() -> None:
    base = run("a", ["yes", "no", "no", "no"])
    other = Run(Path("b.jsonl"), {}, 4, tuple(reversed(base.records)))
    (item,) = compare_runs(base, other, ["exact_match"])
    assert item.test.p_value == 1.0


def test_a_question_that_one_run_lacks_scores_zero_there() -> None:
    (item,) = compare_runs(run("a", ["yes"] * 4), run("b", ["yes"] * 3, num_trials=4), ["exact_match"])
    assert (item.other_interval.value, item.test.num_questions) == (0.75, 4)


@pytest.mark.parametrize(
    "other",
    [
        run("b", ["yes"] * 5),
        run("b", ["yes"] * 4, start=1),
        run("b", ["yes"] * 3, num_trials=9),
        run("b", ["yes"] * 2, num_trials=4, start=9),
    ],
)
def test_other_questions_are_refused(other: Run) -> None:
    with pytest.raises(SettingError, match="asked different questions"):
        compare_runs(run("a", ["yes"] * 4), other, ["f1"])


def test_metrics_that_do_not_apply_are_left_out() -> None:
    assert compare_runs(run("a", ["yes"]), run("b", ["yes"]), ["mr", "recall@5"]) == []


def test_differing_settings() -> None:
    a, b = run("a", ["x"], decoder="cad", alpha=1.0, trials="1"), run("b", ["x"], decoder="plain", trials="2")
    assert differing_settings(a, b) == {"alpha": (1.0, None), "decoder": ("cad", "plain")}
