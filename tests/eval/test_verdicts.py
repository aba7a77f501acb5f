"""The verdicts of a run: what a record keeps of them, and how they are counted."""

from __future__ import annotations

import json
from pathlib import Path

from eval.metrics.verdicts import count_verdicts
from eval.output.report import report_page
from eval.output.verdicts import verdict_rows
from eval.records import BatchTiming, Record, VerdictSummary, answered
from eval.run.store import Run
from eval.run.summary import summarize
from eval.types import Trial
from rag.core.answer import Answer, Conflict, Tokens
from rag.core.verdict import Memory, Position, Reading, Verdict


def record(number: int, answer: str, verdict: VerdictSummary | None) -> Record:
    return Record(f"q{number}", "Who runs the harbour?", answer, ("Mina Okafor",), verdict=verdict)


RECORDS = (
    record(1, "Mina Okafor runs it.", VerdictSummary("agreement", "", (), ("Mina Okafor",), "Bob", 0.9, "contradicts")),
    record(2, "Tomas Orrel.", VerdictSummary("outdated", "", (), ("Mina Okafor", "Edda Lind"), "Bob", 0.1, "unsure")),
    record(3, "The documents do not say.", VerdictSummary("silent", "", relation="silent")),
    record(4, "Mina Okafor.", None),
)


def test_counts() -> None:
    counts = count_verdicts(RECORDS, "newest")
    assert counts is not None
    assert (counts.num_verdicts, counts.documents_agree, counts.documents_contradict) == (3, 1, 1)
    assert (counts.documents_silent, counts.several_positions) == (1, 1)
    assert (counts.memory_agrees, counts.memory_contradicts, counts.memory_unsure) == (0, 1, 1)
    assert (counts.num_positioned, counts.num_supported, counts.supported_share) == (2, 1, 0.5)
    rows = dict(verdict_rows([counts]))
    assert rows["policy"] == "newest"
    assert rows["documents are silent"] == "1 (33%)"
    assert rows["answer states a position"] == "1 of 2 (50%)"
    assert count_verdicts(RECORDS[3:]) is None


def test_an_answer_keeps_its_verdict_in_the_result_file() -> None:
    reading = Reading("p1", "d1", "notice.md", "Notice", "Mina Okafor")
    position = Position("Mina Okafor", (reading,), 1, 0.8)
    memory = Memory("Bob", 0.7, "contradicts")
    verdict = Verdict("agreement", "One source.", (position,), memory, ("memory_contradicts",))
    conflict, tokens = Conflict(0.0, True, "", ""), Tokens(1, 1, 1)
    answer = Answer("Who?", "Mina Okafor", (), "dial", conflict, {"total": 1.0}, tokens, verdict=verdict)
    kept = answered(Trial("q", "Who?", ("Mina Okafor",)), answer, None, BatchTiming(0, 1, 1.0))
    expected = VerdictSummary(
        "agreement", "One source.", ("memory_contradicts",), ("Mina Okafor",), "Bob", 0.7, "contradicts"
    )
    assert kept.verdict == expected
    assert Record.from_fields(json.loads(kept.to_line())) == kept


def test_the_report_page_and_the_summary_show_them() -> None:
    run = Run(Path("a.jsonl"), {"engine.policy": "newest"}, 4, RECORDS)
    summary = summarize(run, ["accuracy"])
    assert summary.to_dict()["verdicts"]["documents_contradict"] == 1
    page = report_page([run], [summary])
    assert "<h2>Verdicts</h2>" in page
    assert "<td>newest</td>" in page
    bare = Run(Path("b.jsonl"), {}, 1, RECORDS[3:])
    assert "<h2>Verdicts</h2>" not in report_page([bare], [summarize(bare, ["accuracy"])])
