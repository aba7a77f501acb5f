"""A small answerer without a model, for the fast tier: reads the answer out of the passages by a fixed rule."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from decoders.params import DecoderParams
from eval.run.answerer import OnAnswer
from eval.types import Trial
from rag.core.answer import Answer, Citation, Conflict, Step, Tokens
from rag.core.errors import QuestionError
from rag.core.passages import Passage, ScoredPassage

_WORD = re.compile(r"[\w.]+")
_NAME = re.compile(r"[A-Z0-9][\w.]*(?: [A-Z0-9][\w.]*)*")
REFUSED = "unaskable"


@dataclass
class DeterministicAnswerer:
    """Answers with the last name or number of the passage that shares most words with the question.

    Questions that hold :data:`REFUSED` cannot be asked. ``batches`` keeps what it was handed.
    """

    corpus: Sequence[Passage] = ()
    delay_s: float = 0.0
    model: str = "deterministic"
    batches: list[list[str]] = field(default_factory=list)

    def identity(self) -> Mapping[str, str]:
        return {"model": self.model}

    def versions(self) -> Mapping[str, str]:
        return {"deterministic": "1"}

    def warm_up(self, trials: Sequence[Trial]) -> None:
        pass

    def rank(self, questions: Sequence[str], depth: int) -> list[list[ScoredPassage]]:
        return [rank_by_overlap(question, self.corpus)[:depth] for question in questions]

    def factory(self) -> Callable[[], DeterministicAnswerer]:
        return lambda: self

    def answer(
        self, trials: Sequence[Trial], decoders: Sequence[DecoderParams], on_answer: OnAnswer
    ) -> list[list[Answer]]:
        self.batches.append([trial.question_id for trial in trials])
        time.sleep(self.delay_s)
        for trial in trials:
            if REFUSED in trial.question:
                raise QuestionError(f"the question {trial.question!r} cannot be asked")
        return [[self._told(trial, params, on_answer) for trial in trials] for params in decoders]

    def _told(self, trial: Trial, params: DecoderParams, on_answer: OnAnswer) -> Answer:
        answer = self._one(trial, params)
        on_answer()
        return answer

    def _one(self, trial: Trial, params: DecoderParams) -> Answer:
        corpus = self.corpus if trial.passages is None else trial.passages
        ranked = rank_by_overlap(trial.question, corpus)[:2]
        text = read_answer(trial.question, ranked[0].passage.text) if ranked else "I don't know."
        steps = tuple(_step(word, trial.question) for word in _WORD.findall(text))
        conflict = Conflict(0.75, bool(zlib.crc32(trial.question.encode()) % 2), text, "I don't know.", steps)
        citations = tuple(
            Citation(item.passage.doc_id, item.passage.source, item.passage.text, item.score) for item in ranked
        )
        tokens = Tokens(sum(len(item.passage.text) for item in ranked), len(trial.question), len(steps))
        return Answer(trial.question, text, citations, params.name, conflict, {"generate": 1.0, "total": 1.0}, tokens)


def rank_by_overlap(question: str, corpus: Sequence[Passage]) -> list[ScoredPassage]:
    """Passages by the number of words shared with the question, ties by doc_id."""
    words = set(_WORD.findall(question.lower()))
    scored = [ScoredPassage(p, float(len(words & set(_WORD.findall(p.text.lower()))))) for p in corpus]
    return sorted(scored, key=lambda item: (-item.score, item.passage.doc_id))


def read_answer(question: str, text: str) -> str:
    names = [name for name in _NAME.findall(text) if name.lower() not in question.lower()]
    return names[-1].rstrip(".") if names else text.rstrip(" .").split()[-1]


def _step(word: str, question: str) -> Step:
    jsd = zlib.crc32(f"{word}{question}".encode()) % 1000 / 1500
    return Step(word, 0, jsd, jsd, 1.0, 2.0, word, word, -0.1, -0.2, 1 + jsd, -jsd)


def run(config: Path, result: Path, delay_s: float) -> None:
    """Run an evaluation with it, in which a batch takes ``delay_s``; tests kill the process that runs this."""
    from eval import evaluate
    from eval.datasets import load_corpus
    from eval.run.config import RunConfig

    settings = RunConfig.load(config)
    documents = load_corpus(settings.corpus) if settings.corpus else []
    evaluate(settings, output=result, answerer=DeterministicAnswerer(documents, delay_s))
