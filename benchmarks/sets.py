"""What the retrieval benchmarks share: data sets as libraries, and their measures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rag.core.encoding import Encoder, passage_text
from rag.core.passages import Passage
from rag.library.base import Library, Staged
from rag.library.open import open_library

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
Row = dict[str, Any]
Item = TypeVar("Item")


@dataclass(frozen=True)
class TestSet:
    """One corpus in a library, its questions, and the gold documents of each (none: unanswerable)."""

    __test__ = False  # no test class, whatever pytest thinks of the name

    name: str
    library: Library
    passages: list[Passage]
    questions: list[str]
    gold: list[set[str]]

    def part(self, rows: Sequence[int]) -> TestSet:
        """The same corpus with some of the questions."""
        questions, gold = [self.questions[i] for i in rows], [self.gold[i] for i in rows]
        return replace(self, questions=questions, gold=gold)


def load(
    data: Path, name: str, folder: Path, encoder: Encoder, num_questions: int | None = None, passage_step: int = 1
) -> TestSet:
    """A data set as a library of one passage per document.

    Args:
        data: folder of the data sets.
        name: of the set.
        folder: where the library is made.
        encoder: for its passages.
        num_questions: this many of the answerable questions, evenly spread; by default all questions.
        passage_step: of the passages that no question needs, only each such one is taken.
    """
    questions = rows(data / name / "questions.jsonl")
    if num_questions is not None:
        questions = spread([row for row in questions if row["gold_doc_ids"]], num_questions)
    needed = {doc_id for row in questions for doc_id in row["gold_doc_ids"]}
    corpus = rows(data / name / "corpus.jsonl")
    corpus = [row for number, row in enumerate(corpus) if number % passage_step == 0 or row["doc_id"] in needed]
    passages = [
        Passage(f"{row['doc_id']}:0", row["doc_id"], row["doc_id"], row["title"], row["text"]) for row in corpus
    ]
    vectors = encoder.encode([passage_text(passage.title, passage.text, passage.heading) for passage in passages])
    library = open_library(folder / name)
    library.stage(
        [
            Staged(p.doc_id, p.source, p.title, p.doc_id, len(p.text), [p], vectors[i : i + 1])
            for i, p in enumerate(passages)
        ]
    )
    library.publish([passage.doc_id for passage in passages], encoder.name)
    gold = [set(row["gold_doc_ids"]) for row in questions]
    return TestSet(name, library, passages, [row["question"] for row in questions], gold)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """``count`` of the items at even distances, or all of them."""
    count = min(count, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def recall(gold: Sequence[set[str]], documents: Sequence[Sequence[str]]) -> list[float]:
    """Share of each question's gold documents that were found."""
    return [len(wanted & set(doc_ids)) / len(wanted) for wanted, doc_ids in zip(gold, documents, strict=True)]


def area_under_curve(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Probability that a positive scores above a negative, ties counted half."""
    below = np.searchsorted(np.sort(negative), positive, side="left")
    up_to = np.searchsorted(np.sort(negative), positive, side="right")
    return float((below + up_to).sum() / 2 / (len(positive) * len(negative)))


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def rows(file: Path) -> list[Row]:
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
