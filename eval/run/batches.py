"""One batch of trials: asks the engine and makes the records. Runs in any process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from decoders.params import DecoderParams
from eval.records import BatchTiming, Record, answered, ranked, unanswered
from eval.run.answerer import Answerer, OnAnswer
from eval.run.config import RunConfig
from eval.types import Trial
from rag.core.answer import Answer
from rag.core.errors import QuestionError
from rag.core.passages import ScoredPassage


@dataclass(frozen=True)
class TrialBatch:
    """Consecutive trials of a run; ``index`` is the batch's place in it."""

    index: int
    trials: tuple[Trial, ...]

    @property
    def ids(self) -> frozenset[str]:
        """The questions' ids."""
        return frozenset(trial.question_id for trial in self.trials)


@dataclass(frozen=True)
class BatchOutcome:
    """The records of a batch.

    Attributes:
        batch: the trials that were asked.
        records: by run, then by trial.
        answerer_s: time spent in the engine.
    """

    batch: TrialBatch
    records: tuple[tuple[Record, ...], ...]
    answerer_s: float


def cut(trials: Sequence[Trial], size: int) -> Iterator[TrialBatch]:
    """Batches of ``size`` trials; the last one may be smaller."""
    for index, start in enumerate(range(0, len(trials), size)):
        yield TrialBatch(index, tuple(trials[start : start + size]))


def ask(configs: Sequence[RunConfig], answerer: Answerer, batch: TrialBatch, on_answer: OnAnswer) -> BatchOutcome:
    """Every trial of ``batch`` under each of ``configs``, in one batch. They differ only in their decoders."""
    start = time.perf_counter()
    rankings = _rank(configs[0], batch.trials, answerer)
    middle = time.perf_counter()
    size = len(batch.trials) * len(configs)
    if configs[0].is_retrieval_only:
        about = BatchTiming(batch.index, size, (middle - start) * 1000.0)
        records = tuple(
            ranked(trial, ranking or (), about) for trial, ranking in zip(batch.trials, rankings, strict=True)
        )
        return BatchOutcome(batch, (records,) * len(configs), middle - start)
    answers = _answers(batch.trials, [config.asked_decoder() for config in configs], answerer, on_answer)
    end = time.perf_counter()
    # Only the measurement ranks deeper than the prompt; no user waits for that, so it is not in the latency.
    about = BatchTiming(batch.index, size, (end - middle) * 1000.0)
    answered_records = tuple(
        tuple(
            unanswered(trial, answer, about) if isinstance(answer, str) else answered(trial, answer, ranking, about)
            for trial, answer, ranking in zip(batch.trials, by_trial, rankings, strict=True)
        )
        for by_trial in answers
    )
    return BatchOutcome(batch, answered_records, end - start)


def _rank(config: RunConfig, trials: Sequence[Trial], answerer: Answerer) -> Sequence[Sequence[ScoredPassage] | None]:
    """Rankings for the retrieval metrics, where the engine retrieves and the gold documents are known."""
    is_judged = config.is_retrieval_only or any(trial.gold_doc_ids for trial in trials)
    if config.arm != "retrieved" or not config.ranking_depth or not is_judged:
        return [None] * len(trials)
    return answerer.rank([trial.question for trial in trials], config.ranking_depth)


def _answers(
    trials: Sequence[Trial], decoders: Sequence[DecoderParams], answerer: Answerer, on_answer: OnAnswer
) -> list[list[Answer | str]]:
    """Answers by decoder, then by trial. If a question cannot be asked, the reason takes its answer's place, and the
    other questions are still answered."""
    try:
        return [list(by_trial) for by_trial in answerer.answer(trials, decoders, on_answer)]
    except QuestionError as error:
        if len(trials) == 1:
            return [[str(error)] for _ in decoders]
    alone = [_answers([trial], decoders, answerer, on_answer) for trial in trials]
    return [[by_decoder[index][0] for by_decoder in alone] for index in range(len(decoders))]
