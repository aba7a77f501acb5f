"""Answers from excerpts: right answers, tokens and seconds with all of the passages' text, and with shares of it.

Each question has four passages: those that answer it, and the nearest others. Every share is an engine of its own over
one generator, so that none finds the vectors that another one computed; a question is asked with one share after the
other, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sets import Row, rows, spread
from benchmarks.skills import LEARNT
from eval.metrics.answers import contains_answer
from eval.metrics.stats import paired_test
from rag.core.answer import Answer
from rag.core.encoding import Encoder, passage_text
from rag.core.passages import Passage
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.base import Generator
from rag.library.open import open_library

SETS = ("squad2", "hotpotqa", "nq_synth")
TOP_K = 4
MAX_TOKENS = 24
# Others to choose the nearest from.
_POOL = 150


@dataclass(frozen=True)
class Item:
    """A question, its answers, and the passages that it is asked with, best first."""

    question: str
    answers: tuple[str, ...]
    passages: tuple[Passage, ...]


@dataclass
class Arm:
    """One way of asking: its engine, and what it said."""

    engine: Engine
    right: list[float]
    answers: list[Answer]
    seconds: list[float]

    def ask(self, item: Item) -> None:
        """Ask one question."""
        started = time.perf_counter()
        (answer,) = self.engine.answer_with([item.question], [item.passages])
        self.seconds.append(time.perf_counter() - started)
        self.right.append(contains_answer(answer.text, item.answers))
        self.answers.append(answer)

    def figures(self, whole: Arm) -> dict[str, Any]:
        """The means; and the paired difference of right answers from those from whole passages, with its interval."""
        test = paired_test(whole.right, self.right)
        return {
            "right": round(float(np.mean(self.right)), 3),
            "difference": [round(value, 3) for value in (test.interval.value, test.interval.low, test.interval.high)],
            "prompt_tokens": round(float(np.mean([answer.tokens.context_prompt for answer in self.answers])), 1),
            "voice_tokens": round(float(np.mean([answer.tokens.voices for answer in self.answers])), 1),
            "seconds": round(float(np.median(self.seconds)), 3),
            "compress_ms": round(float(np.median([a.timings_ms.get("compress", 0.0) for a in self.answers])), 1),
        }


def compression_figures(
    data: Path, encoder: Encoder, generator: Generator, num_questions: int, shares: Sequence[float]
) -> dict[str, Any]:
    """Figures by ``set / with a verdict or without / share``; ``all`` are the questions of all sets.

    Args:
        data: folder of the data sets.
        encoder: finds the nearest passages and sentences.
        generator: answers.
        num_questions: of each set.
        shares: of the passages' text, the first one 1.
    """
    result: dict[str, Any] = {}
    items = {name: load_items(data, name, encoder, num_questions) for name in SETS}
    for verdict in (False, True):
        kind = "verdict" if verdict else "bare"
        by_set = {name: _ask_all(items[name], encoder, generator, shares, verdict=verdict) for name in SETS}
        by_set["all"] = [_joined([by_set[name][row] for name in SETS]) for row in range(len(shares))]
        for name, arms in by_set.items():
            for share, arm in zip(shares, arms, strict=True):
                result.setdefault(name, {}).setdefault(kind, {})[f"{share:g}"] = arm.figures(arms[0])
    return result


def load_items(data: Path, name: str, encoder: Encoder, number: int) -> list[Item]:
    """Answerable questions of a set, evenly spread, each with its gold passages among the nearest others."""
    if name == "nq_synth":
        listed = rows(data / name / "nq_synth_dev.jsonl")
        corpus = [_passage(str(row["id"]), "", row["agreeing_context"]) for row in listed]
        asked = [(row["question"], tuple(row["aliases"]), {str(row["id"])}) for row in spread(listed, number)]
    else:
        corpus = [_passage(row["doc_id"], row["title"], row["text"]) for row in rows(data / name / "corpus.jsonl")]
        learnt = {passage.doc_id for passage in corpus if passage.title in LEARNT}
        asked = [_question(row) for row in spread(_answerable(data / name / "questions.jsonl", learnt), number)]
    needed = {doc_id for *_, gold in asked for doc_id in gold}
    gold = [passage for passage in corpus if passage.doc_id in needed]
    pool = [*gold, *spread([passage for passage in corpus if passage.doc_id not in needed], _POOL)]
    vectors = encoder.encode([passage_text(passage.title, passage.text) for passage in pool])
    cosines = encoder.encode([question for question, *_ in asked]) @ vectors.T
    return [
        Item(question, answers, _nearest(pool, row, wanted))
        for (question, answers, wanted), row in zip(asked, cosines.tolist(), strict=True)
    ]


def _answerable(file: Path, learnt: set[str]) -> list[Row]:
    """Questions with an answer that is in none of the passages that the shipped reader learnt from."""
    return [row for row in rows(file) if row["gold_doc_ids"] and not learnt & set(row["gold_doc_ids"])]


def _question(row: Row) -> tuple[str, tuple[str, ...], set[str]]:
    return row["question"], tuple(row["answers"]), set(row["gold_doc_ids"])


def _passage(name: str, title: str, text: str) -> Passage:
    return Passage(f"{name}:0", name, name, title, text)


def _nearest(pool: Sequence[Passage], cosines: Sequence[float], wanted: set[str]) -> tuple[Passage, ...]:
    """The gold passages and the nearest others, ``TOP_K`` in all, in the order of their cosines."""
    order = sorted(range(len(pool)), key=lambda row: -cosines[row])
    others = [row for row in order if pool[row].doc_id not in wanted][: TOP_K - len(wanted)]
    return tuple(pool[row] for row in order if row in others or pool[row].doc_id in wanted)


def _ask_all(
    items: Sequence[Item], encoder: Encoder, generator: Generator, shares: Sequence[float], *, verdict: bool
) -> list[Arm]:
    """One arm for each share, each question in turn."""
    with ExitStack() as stack:
        arms = []
        for share in shares:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            config = Config(compress=share, verdict=verdict, conflict_report=verdict, max_tokens=MAX_TOKENS)
            config = config if verdict else config.updated(decoder="plain")
            engine = Engine(open_library(folder), config, encoder=encoder, generator=generator)
            arms.append(Arm(stack.enter_context(engine), [], [], []))
        for item in items:
            for arm in arms:
                arm.ask(item)
    return arms


def _joined(arms: Sequence[Arm]) -> Arm:
    """The questions of several sets as one."""
    return Arm(
        arms[0].engine,
        [value for arm in arms for value in arm.right],
        [answer for arm in arms for answer in arm.answers],
        [value for arm in arms for value in arm.seconds],
    )
