"""Costs and figures of a run, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eval.records import BatchTiming, Record
from eval.run.store import Run
from eval.run.summary import measure_costs, summarize
from rag.core.errors import StorageError


def record(number: int, batch: BatchTiming, answer: str | None = "x") -> Record:
    return Record(
        f"q{number}", "?", answer, ("x",), tokens={"generated": 3}, timings_ms={"generate": 40.0}, batch=batch
    )


def test_costs_count_each_batch_once() -> None:
    records = [record(n, BatchTiming(0, 3, 300.0)) for n in range(3)] + [record(3, BatchTiming(1, 1, 100.0))]
    costs = measure_costs(records)
    assert (costs.latency_p50_ms, costs.latency_p99_ms) == (300.0, 300.0)
    assert costs.questions_per_s == pytest.approx(4 / 0.4)
    assert costs.tokens_per_s == pytest.approx(12 / 0.4)
    assert costs.stages_ms == {"generate": pytest.approx(80 / 4)}


def test_a_batch_that_was_run_twice_counts_with_its_longer_time() -> None:
    records = [record(0, BatchTiming(0, 2, 100.0)), record(1, BatchTiming(0, 2, 250.0))]
    assert measure_costs(records).questions_per_s == pytest.approx(2 / 0.25)


def test_refused_questions_give_no_throughput() -> None:
    records = [record(0, BatchTiming(0, 2, 1000.0)), record(1, BatchTiming(0, 2, 1000.0), answer=None)]
    assert measure_costs(records).questions_per_s == 1.0


def test_summary_counts() -> None:
    records = (record(0, BatchTiming(0, 2, 5.0)), record(1, BatchTiming(0, 2, 5.0), answer=None))
    summary = summarize(Run(Path("runs/a.jsonl"), {}, 5, records), ["exact_match", "mr"])
    assert (summary.name, summary.num_trials, summary.num_answered, summary.num_refused) == ("a", 5, 1, 1)
    assert list(summary.aggregates()) == ["exact_match"]  # mr applies to no question and is not shown as 0
    assert summary.to_dict()["metrics"]["exact_match"]["value"] == 0.5


def test_nothing_to_sum_up() -> None:
    with pytest.raises(StorageError, match="holds no results yet"):
        summarize(Run(Path("a.jsonl"), {}, 5, ()), ["f1"])


def test_aggregates_do_not_depend_on_time() -> None:
    records = tuple(record(n, BatchTiming(0, 4, 5.0)) for n in range(4))
    slower = tuple(replace(item, batch=BatchTiming(0, 4, 50.0)) for item in records)
    runs = [Run(Path("a.jsonl"), {}, 4, rows) for rows in (records, slower)]
    assert summarize(runs[0], ["f1"]).aggregates() == summarize(runs[1], ["f1"]).aggregates()
