"""The rows of ``benchmarks/verdict.py``: questions with passages, and what the verdict on them should be.

Only odd-numbered rows of each set: the weights and thresholds of the reading were chosen on even-numbered ones. And of
squad2 and the pairs only passages that the reader skill which ships did not learn from: it has seen four of squad2's
six articles, with all their questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.sets import DATA, Row, rows
from benchmarks.skills import LEARNT, learnt_sentences, sentences
from eval.datasets.schema import make_passage
from eval.metrics.answers import contains_answer
from rag.core.passages import Passage
from rag.core.verdict import Relation

SILENT_ARMS = ("irrelevant", "adversarial")
RELATION_ARMS = ("nq agreeing", "nq conflicting", "pairs agreeing", "pairs conflicting", "adversarial")


@dataclass(frozen=True)
class Case:
    """One question with its passages.

    Attributes:
        arm: which set, and what its passages say.
        answers: accepted forms of the true answer; empty where nothing answers.
        altered: what an altered passage says instead; empty without one.
    """

    arm: str
    question: str
    passages: tuple[Passage, ...]
    answers: tuple[str, ...]
    altered: str = ""

    def expected(self, memory: str) -> Relation:
        """What the verdict should say of memory, which is right or wrong as its answer shows."""
        if self.arm in SILENT_ARMS:
            return "silent"
        if not contains_answer(memory, self.answers):
            return "unsure"
        if not self.altered:
            return "agrees"
        return "unsure" if contains_answer(memory, [self.altered]) else "contradicts"


def spread(chosen: Sequence[Row], num: int) -> list[Row]:
    """``num`` rows, evenly spread."""
    return [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, min(num, len(chosen))).astype(int))]


def test_rows(file: str) -> list[Row]:
    """Odd-numbered rows of a data set."""
    return rows(DATA / file)[1::2]


def relation_cases(num: int) -> list[Case]:
    """``num`` cases of each of :data:`RELATION_ARMS`."""
    nq = spread(test_rows("nq_synth/nq_synth_dev.jsonl"), num)
    cases = [*_pairs("nq", nq), *_pairs("pairs", spread(altered_rows(), num))]
    return cases + [case for case in squad_cases(2 * num) if case.arm == "adversarial"][:num]


def altered_rows() -> list[Row]:
    """Odd-numbered rows of both sets of pairs."""
    learnt = set(learnt_sentences(DATA))
    both = test_rows("pairs/squad_train.jsonl") + test_rows("pairs/musique_train.jsonl")
    return [row for row in both if not learnt & set(sentences(row["agreeing_context"]))]


def _pairs(name: str, chosen: Sequence[Row]) -> Iterator[Case]:
    for row in chosen:
        answers = tuple(dict.fromkeys((row["agreeing_answer"], *(row["aliases"] or ()))))
        true, altered = make_passage("", row["agreeing_context"]), make_passage("", row["conflicting_context"])
        yield Case(f"{name} agreeing", row["question"], (true,), answers)
        yield Case(f"{name} conflicting", row["question"], (altered,), answers, row["conflicting_answer"])


def irrelevant_cases(num: int) -> list[Case]:
    """Questions of nq_synth with the passage of another one."""
    everything = test_rows("nq_synth/nq_synth_dev.jsonl")
    # Half of the file further: never the question's own passage, however few rows are taken.
    chosen = spread(everything, num)
    others = [everything[(everything.index(row) + len(everything) // 2) % len(everything)] for row in chosen]
    return [
        Case("irrelevant", row["question"], (make_passage("", other["agreeing_context"]),), ())
        for row, other in zip(chosen, others, strict=True)
    ]


def squad_cases(num: int) -> list[Case]:
    """Questions of squad2 with the passage that they were made for: ``answerable`` and ``adversarial`` ones.

    About the two articles that the reader did not learn from.
    """
    corpus = {row["doc_id"]: row for row in rows(DATA / "squad2/corpus.jsonl")}
    doc_id, placed = "", []
    for row in rows(DATA / "squad2/questions.jsonl"):  # unanswerable ones stand among those of their passage
        doc_id = row["gold_doc_ids"][0] if row["gold_doc_ids"] else doc_id
        placed.append(row | {"doc_id": doc_id})
    cases = []
    fresh = [row for row in placed[1::2] if row["doc_id"] and corpus[row["doc_id"]]["title"] not in LEARNT]
    for row in spread(fresh, num):
        document = corpus[row["doc_id"]]
        arm = "answerable" if row["is_answerable"] else "adversarial"
        passage = make_passage(document["title"], document["text"])
        cases.append(Case(arm, row["question"], (passage,), tuple(row["answers"])))
    return cases


def hotpot_cases(num: int) -> list[Case]:
    """Questions of hotpotqa with their two passages and one of another question."""
    corpus = {row["doc_id"]: row for row in rows(DATA / "hotpotqa/corpus.jsonl")}
    chosen = spread(test_rows("hotpotqa/questions.jsonl"), num)
    others = [*chosen[1:], *chosen[:1]]
    cases = []
    for row, other in zip(chosen, others, strict=True):
        documents = [corpus[name] for name in (*row["gold_doc_ids"], other["gold_doc_ids"][0])]
        passages = tuple(make_passage(item["title"], item["text"]) for item in documents)
        cases.append(Case("hotpotqa", row["question"], passages, tuple(row["answers"])))
    return cases


@dataclass(frozen=True)
class ListCase:
    """A question of RAMDocs: every right answer and no wrong one is wanted."""

    question: str
    passages: tuple[Passage, ...]
    answers: tuple[str, ...]
    wrong: tuple[str, ...]

    def is_strict(self, text: str) -> bool:
        """Source: Wang et al. 2025 (RAMDocs)."""
        has_all = all(contains_answer(text, [answer]) for answer in self.answers)
        return has_all and not contains_answer(text, self.wrong)


def ramdocs_cases(num: int) -> list[ListCase]:
    """Odd-numbered rows among the first 250."""
    chosen = spread(rows(DATA / "ramdocs/ramdocs_dev.jsonl")[:250][1::2], num)
    return [
        ListCase(
            row["question"],
            tuple(dict.fromkeys(make_passage("", item["text"]) for item in row["documents"])),
            tuple(row["gold_answers"]),
            tuple(set(row["wrong_answers"]) - set(row["gold_answers"])),
        )
        for row in chosen
    ]
