"""Runs the trials of one or several configurations batch by batch, and continues where a killed run stopped.

Batches are cut from the whole list of trials, not from the trials that are left. So a resumed run gives the engine the
same batches as an undisturbed run, and writes only the missing records.
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
    """Counts and times of one run in one call of :func:`run_together`.

    Attributes:
        num_asked: questions answered in this call.
        num_resumed: questions that the result file had answers to already.
        num_refused: questions of this call that the engine could not answer.
        wall_s: time to ask all runs of the call, without loading models.
        answerer_s: time spent in the engine, summed over all workers.
        num_workers: workers that asked at the same time.
    """

    num_asked: int
    num_resumed: int
    num_refused: int
    wall_s: float
    answerer_s: float
    num_workers: int = 1

    @property
    def overhead(self) -> float:
        """Share of the time spent outside the engine, 0 to 1."""
        return 1.0 - self.answerer_s / (self.wall_s * self.num_workers) if self.answerer_s else 0.0


def run_together(
    jobs: Sequence[RunJob], trials: Sequence[Trial], answerer: Answerer, progress: OnProgress | None = None
) -> list[RunReport]:
    """Answer every trial that a job's file has no record of. A question is asked under all jobs in one batch.

    Args:
        jobs: they differ only in the settings of the decoder.
        progress: called with the numbers of finished and of all answers.

    Raises:
        SettingError: a file belongs to another configuration, two trials have the same id, or jobs differ in more.
        ConcordError: the engine failed; what was answered before is in the files.
    """
    configs = [job.config for job in jobs]
    if len({config.batch_key() for config in configs}) > 1:
        raise SettingError("runs that are answered together may differ only in decoder, alpha and decoder_settings")
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
        todo = [batch for batch in cut(trials, configs[0].batch_size) if any(batch.ids & ids for ids in missing)]
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
        RunReport(len(ids), len(file.done), refused, wall_s, answerer_s, num_workers)
        for ids, file, refused in zip(missing, files, num_refused, strict=True)
    ]


def run_identity(
    config: RunConfig, trials: Sequence[Trial], answerer: Answerer, together: Sequence[RunConfig] = ()
) -> dict[str, Any]:
    """Everything that the results depend on: settings, the text of all trials, engine, package versions, and the runs
    that share the batches.

    Raises:
        SettingError: two trials have the same id.
    """
    ids = [trial.question_id for trial in trials]
    if len(set(ids)) != len(ids):
        raise SettingError("two questions have the same id; ids must be unique within a run")
    digest = hashlib.sha256()
    for trial in trials:
        digest.update(repr(asdict(trial)).encode())
    versions = {f"version.{name}": version for name, version in answerer.versions().items()}
    batch = {"together": batch_fingerprint(config, together)} if len(together) > 1 else {}
    return {**config.identity(), **answerer.identity(), **versions, **batch, "trials": digest.hexdigest()[:16]}


def batch_fingerprint(config: RunConfig, together: Sequence[RunConfig]) -> str:
    """Differs when ``config`` or the runs that share its batches differ."""
    return fingerprint({"run": config.identity(), "together": [item.identity() for item in together]})


class _Meter:
    """Reports answers as they come, then those on disk: of a batch that was torn, only the missing part is written."""

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
