"""The answers of several runs side by side, as the report page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.metrics.answers import contains_answer
from eval.records import Record
from eval.run.store import Run

MAX_ANSWERS = 200


@dataclass(frozen=True)
class ShownAnswer:
    """One run's answer; ``kind`` is ``right``, ``wrong``, or empty where the run has not asked the question."""

    text: str
    kind: str


@dataclass(frozen=True)
class AnswerRow:
    """A question, its right answers, each run's answer, and the first conflict report among them."""

    question: str
    references: str
    answers: Sequence[ShownAnswer]
    memory: str = ""
    documents: str = ""
    conflict: str = ""


def answer_rows(runs: Sequence[Run]) -> tuple[list[AnswerRow], int]:
    """The first :data:`MAX_ANSWERS` questions of ``runs``, in the order of their first use, and the number of all."""
    by_id = [{record.question_id: record for record in run.records} for run in runs]
    ids = list(dict.fromkeys(key for records in by_id for key in records))
    return [_row([records.get(key) for records in by_id]) for key in ids[:MAX_ANSWERS]], len(ids)


def _row(records: Sequence[Record | None]) -> AnswerRow:
    first = next(record for record in records if record is not None)
    question, references = first.question, " | ".join(first.references)
    answers = [_answer(record) for record in records]
    report = next((record.conflict for record in records if record and record.conflict), None)
    if report is None:
        return AnswerRow(question, references, answers)
    said = report.memory_answer, report.context_answer, f"{report.score:.2f}"
    return AnswerRow(question, references, answers, *said)


def _answer(record: Record | None) -> ShownAnswer:
    """Right or wrong by containment; a question that could not be answered shows the reason."""
    if record is None:
        return ShownAnswer("", "")
    if record.answer is None:
        return ShownAnswer(f"({record.error})", "wrong")
    if contains_answer(record.answer, record.references):
        return ShownAnswer(f"✓ {record.answer}", "right")
    return ShownAnswer(f"✗ {record.answer}", "wrong")
