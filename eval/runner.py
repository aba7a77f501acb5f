"""Runs the trials of a configuration, batch by batch, and goes on where a killed run stopped.

Batches are cut from the whole list of trials, not from what is left of it. A resumed run therefore hands the
engine the very batches that an undisturbed one would, and writes only what is missing.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eval.answerer import Answerer, OnAnswer
from eval.config import RunConfig, fingerprint
from eval.records import Batch, Record, answered, ranked, unanswered
from eval.store import ResultFile
from eval.types import Trial
from rag.errors import QuestionError, SettingError
from rag.types import Answer, ScoredPassage

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RunReport:
    """What one call of :func:`run_trials` did.

    Attributes:
        num_asked: questions answered now.
        num_resumed: questions whose answers were there before.
        num_refused: questions asked now that the engine could not answer.
        wall_s, answerer_s: time of asking, and that of it spent in the engine; loading models is in neither.
    """

    num_asked: int
    num_resumed: int
    num_refused: int
    wall_s: float
    answerer_s: float

    @property
    def overhead(self) -> float:
        """Share of the time that the harness took for itself, 0 to 1."""
        return 1.0 - self.answerer_s / self.wall_s if self.num_asked else 0.0


@dataclass(frozen=True)
class _Outcome:
    """What the engine made of one batch, and how long it took."""

    records: list[Record]
    answerer_s: float


def run_trials(
    config: RunConfig, trials: Sequence[Trial], answerer: Answerer, path: Path, progress: Progress | None = None
) -> RunReport:
    """Answer every trial that ``path`` holds no result for.

    Args:
        progress: called with the numbers of finished and of all questions.

    Raises:
        SettingError: ``path`` belongs to another configuration, or two trials have one id.
        ConcordError: the engine failed; what was answered before is in ``path``.
    """
    identity = run_identity(config, trials, answerer)
    stamp: dict[str, Any] = {"fingerprint": fingerprint(identity), "versions": dict(answerer.versions())}
    answerer_s, num_asked, num_refused = 0.0, 0, 0
    with ResultFile(path, identity, len(trials)) as results:
        num_done = len(results.done)
        if num_done < len(trials) and not config.is_retrieval_only:
            answerer.warm_up()
        start = time.perf_counter()
        for index, batch in _batches(trials, config.batch_size):
            wanted = {trial.question_id for trial in batch} - results.done
            if not wanted:
                continue
            outcome = _ask(config, batch, index, answerer, _meter(progress, num_done, len(wanted), len(trials)))
            fresh = [replace(record, **stamp) for record in outcome.records if record.question_id in wanted]
            results.append(fresh)
            answerer_s += outcome.answerer_s
            num_asked, num_done = num_asked + len(fresh), num_done + len(fresh)
            num_refused += sum(record.answer is None for record in fresh)
        if progress:
            progress(num_done, len(trials))
        wall_s = time.perf_counter() - start
    return RunReport(num_asked, len(results.done), num_refused, wall_s, answerer_s)


def run_identity(config: RunConfig, trials: Sequence[Trial], answerer: Answerer) -> dict[str, Any]:
    """Everything on which the results depend: settings, trials to the letter, engine, package versions.

    Raises:
        SettingError: two trials have one id, so their results could not be told apart.
    """
    ids = [trial.question_id for trial in trials]
    if len(set(ids)) != len(ids):
        raise SettingError("two questions share an id; ids must be unique within a run")
    digest = hashlib.sha256()
    for trial in trials:
        digest.update(repr(asdict(trial)).encode())
    versions = {f"version.{name}": version for name, version in answerer.versions().items()}
    return {**config.identity(), **answerer.identity(), **versions, "trials": digest.hexdigest()[:16]}


def _meter(progress: Progress | None, num_done: int, num_wanted: int, num_all: int) -> OnAnswer:
    """Reports the answers of one batch as they come; those that were there before are not counted again."""
    num_answered = itertools.count(1)

    def on_answer() -> None:
        if progress:
            progress(num_done + min(next(num_answered), num_wanted), num_all)

    if progress:
        progress(num_done, num_all)
    return on_answer


def _batches(trials: Sequence[Trial], size: int) -> Iterator[tuple[int, Sequence[Trial]]]:
    for index, start in enumerate(range(0, len(trials), size)):
        yield index, trials[start : start + size]


def _ask(config: RunConfig, batch: Sequence[Trial], index: int, answerer: Answerer, on_answer: OnAnswer) -> _Outcome:
    start = time.perf_counter()
    rankings = _rank(config, batch, answerer)
    middle = time.perf_counter()
    if config.is_retrieval_only:
        about = Batch(index, len(batch), (middle - start) * 1000.0)
        found = [ranked(trial, ranking or (), about) for trial, ranking in zip(batch, rankings, strict=True)]
        return _Outcome(found, middle - start)
    answers = _answers(batch, answerer, on_answer)
    end = time.perf_counter()
    # Ranking deeper than the prompt is work of the measurement; no user would wait for it.
    about = Batch(index, len(batch), (end - middle) * 1000.0)
    records = [
        unanswered(trial, answer, about) if isinstance(answer, str) else answered(trial, answer, ranking, about)
        for trial, answer, ranking in zip(batch, answers, rankings, strict=True)
    ]
    return _Outcome(records, end - start)


def _rank(config: RunConfig, batch: Sequence[Trial], answerer: Answerer) -> Sequence[Sequence[ScoredPassage] | None]:
    """Rankings for the retrieval metrics, where the engine retrieves and the gold documents are known."""
    is_judged = config.is_retrieval_only or any(trial.gold_doc_ids for trial in batch)
    if config.arm != "retrieved" or not config.ranking_depth or not is_judged:
        return [None] * len(batch)
    return answerer.rank([trial.question for trial in batch], config.ranking_depth)


def _answers(batch: Sequence[Trial], answerer: Answerer, on_answer: OnAnswer) -> list[Answer | str]:
    """Answers of the batch; one question that cannot be asked costs only itself, its reason takes its place."""
    try:
        return list(answerer.answer(batch, on_answer))
    except QuestionError as error:
        if len(batch) == 1:
            return [str(error)]
    return [answer for trial in batch for answer in _answers([trial], answerer, on_answer)]
