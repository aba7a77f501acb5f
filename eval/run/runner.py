"""Runs the trials of one or several configurations, batch by batch, and goes on where a killed run stopped.

Batches are cut from the whole list of trials, not from what is left of it. A resumed run therefore hands the
engine the very batches that an undisturbed one would, and writes only what is missing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eval.run.answerer import Answerer
from eval.run.batches import cut
from eval.run.config import RunConfig, fingerprint
from eval.run.store import ResultFile
from eval.run.workers import asking
from eval.types import Trial
from rag.core.errors import SettingError

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class RunJob:
    """A run to make: its settings, and its result file."""

    config: RunConfig
    path: Path


@dataclass(frozen=True)
class RunReport:
    """What one call of :func:`run_together` did for one of its runs.

    Attributes:
        num_asked: questions answered now.
        num_resumed: questions whose answers were there before.
        num_refused: questions asked now that the engine could not answer.
        wall_s: time of asking all runs of the call; loading models is not in it.
        answerer_s: the part of it spent in the engine, of all workers together.
        num_workers: how many asked at the same time.
    """

    num_asked: int
    num_resumed: int
    num_refused: int
    wall_s: float
    answerer_s: float
    num_workers: int = 1

    @property
    def overhead(self) -> float:
        """Share of the time that the harness took for itself, 0 to 1."""
        return 1.0 - self.answerer_s / (self.wall_s * self.num_workers) if self.answerer_s else 0.0


def run_trials(
    config: RunConfig, trials: Sequence[Trial], answerer: Answerer, path: Path, progress: OnProgress | None = None
) -> RunReport:
    """:func:`run_together` for one run."""
    return run_together([RunJob(config, path)], trials, answerer, progress)[0]


def run_together(
    jobs: Sequence[RunJob], trials: Sequence[Trial], answerer: Answerer, progress: OnProgress | None = None
) -> list[RunReport]:
    """Answer every trial that a job's file holds no result for; a question is asked under all jobs in one batch.

    Args:
        jobs: alike in all settings but those of the decoder.
        progress: called with the numbers of finished and of all answers.

    Raises:
        SettingError: a file belongs to another configuration, two trials have one id, or jobs differ in more.
        ConcordError: the engine failed; what was answered before is in the files.
    """
    configs = [job.config for job in jobs]
    if len({config.batch_key() for config in configs}) > 1:
        raise SettingError("runs that are answered together may differ in decoder, alpha and decoder_settings only")
    identities = [run_identity(config, trials, answerer, configs) for config in configs]
    stamps: list[dict[str, Any]] = [
        {"fingerprint": fingerprint(identity), "versions": dict(answerer.versions())} for identity in identities
    ]
    with ExitStack() as stack:
        files = [
            stack.enter_context(ResultFile(job.path, identity, len(trials)))
            for job, identity in zip(jobs, identities, strict=True)
        ]
        missing = [frozenset(trial.question_id for trial in trials) - file.done for file in files]
        todo = [batch for batch in cut(trials, configs[0].batch_size) if any(batch.ids & some for some in missing)]
        meter = _Meter(progress, sum(len(file.done) for file in files), len(trials) * len(jobs))
        outcomes = stack.enter_context(asking(configs, answerer, todo, meter.answered))
        start = time.perf_counter()
        answerer_s, num_refused = 0.0, [0] * len(jobs)
        for outcome in outcomes:
            answerer_s, num_fresh = answerer_s + outcome.answerer_s, 0
            for place, records in enumerate(outcome.records):
                fresh = [replace(item, **stamps[place]) for item in records if item.question_id in missing[place]]
                files[place].append(fresh)
                num_refused[place] += sum(item.answer is None for item in fresh)
                num_fresh += len(fresh)
            meter.written(num_fresh)
        wall_s = time.perf_counter() - start
    num_workers = max(1, configs[0].workers)
    return [
        RunReport(len(some), len(file.done), refused, wall_s, answerer_s, num_workers)
        for some, file, refused in zip(missing, files, num_refused, strict=True)
    ]


def run_identity(
    config: RunConfig, trials: Sequence[Trial], answerer: Answerer, together: Sequence[RunConfig] = ()
) -> dict[str, Any]:
    """Everything on which the results depend: settings, trials to the letter, engine, package versions, and what
    is asked in the same batches.

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
    company = {"together": batch_fingerprint(config, together)} if len(together) > 1 else {}
    return {**config.identity(), **answerer.identity(), **versions, **company, "trials": digest.hexdigest()[:16]}


def batch_fingerprint(config: RunConfig, together: Sequence[RunConfig]) -> str:
    """Differs when ``config``, or what is asked in the same batches, differs."""
    return fingerprint({"run": config.identity(), "together": [item.identity() for item in together]})


class _Meter:
    """Reports answers as they come, then what of them is on disk (a torn batch is asked whole and written in part)."""

    def __init__(self, progress: OnProgress | None, num_done: int, num_all: int) -> None:
        self._progress, self._num_all = progress, num_all
        self._written = self._shown = num_done
        self._show()

    def answered(self) -> None:
        self._shown = min(self._shown + 1, self._num_all)
        self._show()

    def written(self, num: int) -> None:
        self._written += num
        self._shown = self._written
        self._show()

    def _show(self) -> None:
        if self._progress:
            self._progress(self._shown, self._num_all)
