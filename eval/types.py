"""The nouns of an evaluation: a question of a data set, and a trial of it in one arm."""

from __future__ import annotations

from dataclasses import dataclass

from rag.core.passages import Passage


@dataclass(frozen=True)
class Question:
    """One question of a data set.

    Attributes:
        question_id: unique in its data set; results are stored under it.
        answers: right answers, any of which will do; empty for an unanswerable question.
        gold_doc_ids: documents that hold the evidence; ``None`` where the data set names none.
        passages: passages that came with the question and agree with ``answers``, or the mixture that the
            data set wants answered from.
        counter_answers: what ``counter_passages`` say instead; never equal to one of ``answers``.
        counter_passages: passages that contradict ``answers``.
        wrong_answers: answers that some of ``passages`` support and that are wrong.
        group: the data set's own kind of question, e.g. ``bridge``.
    """

    question_id: str
    question: str
    answers: tuple[str, ...]
    gold_doc_ids: tuple[str, ...] | None = None
    passages: tuple[Passage, ...] = ()
    counter_answers: tuple[str, ...] = ()
    counter_passages: tuple[Passage, ...] = ()
    wrong_answers: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class MalformedRow:
    """A row that could not be read: its line in the file (from 1), its record number (from 1), and why."""

    line: int
    record: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line} (record {self.record}): {self.reason}"


@dataclass(frozen=True)
class Dataset:
    """What could be read of a data set, and what could not."""

    name: str
    questions: tuple[Question, ...]
    malformed: tuple[MalformedRow, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A question as one arm asks it.

    Attributes:
        references: answers that count as right in this arm.
        passages: what stands in the prompt; ``None`` lets the engine retrieve.
        patched: documents whose patches the model answers with, at full weight.
        context_answers, memory_answers: what following the passages, or the memory, would say; empty where
            the arm defines none (then neither ConR nor ParR is counted).
    """

    question_id: str
    question: str
    references: tuple[str, ...]
    passages: tuple[Passage, ...] | None = None
    patched: tuple[Passage, ...] = ()
    gold_doc_ids: tuple[str, ...] | None = None
    context_answers: tuple[str, ...] = ()
    memory_answers: tuple[str, ...] = ()
    wrong_answers: tuple[str, ...] = ()
    group: str = ""
