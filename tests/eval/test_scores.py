"""Metrics over records, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eval.metrics.names import ANSWER_METRICS, DEFAULT_METRICS, check_metrics
from eval.metrics.scores import score, score_parts
from eval.records import ConflictSummary, Record
from rag.core.errors import SettingError

TOKENS = {"context_prompt": 100, "parametric_prompt": 20, "generated": 4}


def trace(num_open: int = 1, is_conflict: bool = True) -> ConflictSummary:
    return ConflictSummary(0.5, is_conflict, "c", "m", 4, num_open, 0.1, 0.2, 0.3)


def record(question_id: str, answer: str | None, *references: str, **values: object) -> Record:
    base = Record(question_id, "?", answer, references, conflict=trace(), tokens=TOKENS)
    return replace(base, **values)  # type: ignore[arg-type]


def value(metric: str, *records: Record) -> float:
    scored = score(metric, records)
    assert scored is not None
    return scored.interval.value


def test_a_question_without_a_result_scores_zero() -> None:
    records = [record("1", "cat", "cat"), record("2", None, "cat", error="too long")]
    for metric in ("exact_match", "f1", "accuracy"):
        assert value(metric, *records) == 0.5
    assert value("generated_tokens", *records) == 4.0  # there is nothing to count where nothing was said
    unanswerable = record("3", None, error="too long")
    assert value("exact_match", unanswerable) == 0.0  # no answer is not the answer ""


def test_answers_are_not_repaired() -> None:
    assert value("exact_match", record("1", "The answer is cat", "cat")) == 0.0
    assert value("accuracy", record("1", "The answer is cat", "cat")) == 1.0


def test_accuracy_of_unanswerable_questions_is_abstention() -> None:
    assert value("accuracy", record("1", "I don't know."), record("2", "Paris")) == 0.5
    assert value("exact_match", record("1", "I don't know.")) == 0.0  # as SQuAD 2 has it


def test_strict_accuracy_wants_all_right_and_no_wrong_answer() -> None:
    wrong = {"wrong_answers": ("1850",)}
    records = [
        record("1", "1903 and 1926", "1903", "1926", **wrong),
        record("2", "1903", "1903", "1926", **wrong),
        record("3", "1903, 1926 or 1850", "1903", "1926", **wrong),
        record("4", "Halmo", "Halmo"),
    ]
    assert [part.numerator for part in score_parts("strict_accuracy", records).values()] == [1, 0, 0, 1]
    assert score("strict_accuracy", [record("1", "a", "a", "b")]) is None


def test_conflict_metrics() -> None:
    sides = {"context_answers": ("Rome",), "memory_answers": ("Paris",)}
    records = [
        record("1", "Rome", **sides),
        record("2", "Rome", **sides),
        record("3", "Paris", **sides),
        record("4", "Paris, not Rome", **sides),
        record("5", "Oslo", **sides),
    ]
    assert value("conr", *records) == pytest.approx(3 / 5)
    assert value("parr", *records) == pytest.approx(2 / 5)
    assert value("mr", *records) == pytest.approx((2 / 5) / (2 / 5 + 3 / 5))
    assert score("mr", [record("1", "Rome", context_answers=("Rome",))]) is None


def test_abstention() -> None:
    records = [
        record("1", "unknown"),
        record("2", "Paris"),
        record("3", "I don't know", "cat"),
        record("4", "cat", "cat"),
        record("5", None),
    ]
    assert value("abstention_precision", *records) == pytest.approx(1 / 2)
    assert value("abstention_recall", *records) == pytest.approx(1 / 3)
    assert score("abstention_recall", records[2:4]) is None  # every question has an answer


def test_citations() -> None:
    records = [
        record("1", "x", gold_doc_ids=("a", "b"), citations=("a", "c", "d")),
        record("2", "x", gold_doc_ids=("a",), citations=()),
        record("3", "x", gold_doc_ids=None, citations=("a",)),
    ]
    assert value("citation_precision", *records) == pytest.approx((1 / 3 + 0) / 2)
    assert value("citation_recall", *records) == pytest.approx((1 / 2 + 0) / 2)


def test_gate_and_conflict_rates() -> None:
    records = [record("1", "x", conflict=trace(4)), record("2", "x", conflict=trace(0, is_conflict=False))]
    assert value("gate_open_rate", *records) == 0.5
    assert value("conflict_rate", *records) == 0.5


def test_ranking_metrics_count_refused_questions_as_misses() -> None:
    ranked = {"ranking": (("a", 2.0), ("b", 1.0)), "gold_doc_ids": ("b",)}
    records = [
        record("1", "x", **ranked),
        record("2", None, gold_doc_ids=("b",)),
        record("3", "x", ranking=(("a", 1.0),), gold_doc_ids=()),
    ]
    assert {key: part.numerator for key, part in score_parts("recall@2", records).items()} == {"1": 1.0, "2": 0.0}
    assert value("mrr@5", *records) == 0.25
    assert score("recall@2", [record("1", "x", gold_doc_ids=("a",))]) is None  # nothing was retrieved


@pytest.mark.parametrize("metric", DEFAULT_METRICS)
def test_metrics_keep_every_question_and_lie_in_their_interval(metric: str) -> None:
    shared: dict[str, object] = {"context_answers": ("Rome",), "memory_answers": ("Paris",), "wrong_answers": ("Bonn",)}
    shared |= {"gold_doc_ids": ("a",), "citations": ("a",), "ranking": (("a", 1.0),)}
    records = [record(str(n), text, "Rome", **shared) for n, text in enumerate(["Rome", "Paris", "Oslo"] * 5)]
    if metric.startswith("abstention"):
        records.append(record("99", "unknown"))
    scored = score(metric, records)
    assert scored is not None
    assert scored.interval.low <= scored.interval.value <= scored.interval.high
    assert set(scored.parts) <= {item.question_id for item in records}
    assert scored.num_questions >= 15


def test_unknown_metric_names_what_there_is() -> None:
    with pytest.raises(SettingError, match=r"unknown metric 'exact_mach' \(did you mean 'exact_match'\?\).*recall@K"):
        check_metrics(["f1", "exact_mach"])
    check_metrics([*ANSWER_METRICS, "recall@7"])
