"""Sweeps: many configurations on a development split, the best of them reported on the rest.

The best of many is too good on the questions that chose it; only the figure on the rest is to be quoted.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eval.datasets import load_dataset
from eval.metrics.names import check_metrics
from eval.metrics.scores import Score, score
from eval.run.config import RunConfig
from eval.run.evaluation import Evaluation, select
from eval.run.runner import OnProgress, RunJob, batch_fingerprint
from eval.studies.compare import Comparison, compare_runs
from eval.studies.engines import Engines, EvaluateTogether, Watch, silent
from rag.core.errors import SettingError
from rag.core.settings.toml_file import checked, read_toml


class SweepConfig(BaseModel):
    """A grid over the fields of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: dict[str, Any] = Field(description="Settings that all runs share.")
    grid: dict[str, list[Any]] = Field(min_length=1, description="Values to try, by field; all combinations are run.")
    skip: tuple[dict[str, Any], ...] = Field((), description="Combinations to leave out, by the fields they match.")
    metric: str = Field("f1", description="What the best is best at.")
    is_higher_better: bool = Field(True, description="False for e.g. mr.")
    dev_share: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="Share of the questions that choose.")
    max_runs: Annotated[int, Field(ge=1)] | None = Field(None, description="Most configurations to try.")
    max_seconds: Annotated[float, Field(gt=0)] | None = Field(None, description="No new run is begun after this time.")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_metrics([self.metric])
        return self

    @classmethod
    def load(cls, file: Path) -> SweepConfig:
        """Read a TOML file.

        Raises:
            SettingError: an unreadable file, an unknown key, a missing or a bad value.
        """
        return checked(cls, read_toml(file), str(file))

    def combinations(self) -> list[dict[str, Any]]:
        """The points of the grid, in the order of its fields, skipped ones left out, at most ``max_runs``."""
        points = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        allowed = [point for point in points if not any(rule.items() <= point.items() for rule in self.skip)]
        return allowed[: self.max_runs]


@dataclass(frozen=True)
class Tried:
    """A point of the grid and its figure on the development split."""

    point: dict[str, Any]
    config: RunConfig
    score: Score


@dataclass(frozen=True)
class SweepResult:
    """The outcome of a sweep.

    Attributes:
        tried: in the order of the grid.
        num_left_out: points that the time budget left untried.
        best: chosen on the development split; ties go to the earlier point.
        best_rest: the best one's figure on the rest of the questions.
        gains: the best against the grid's first point on the rest; empty where the first is the best.
        confidence: of all intervals.
    """

    tried: tuple[Tried, ...]
    num_left_out: int
    best: Tried
    best_rest: Score
    gains: tuple[Comparison, ...]
    confidence: float = 0.95


def run_sweep(
    sweep: SweepConfig, folder: Path, run: EvaluateTogether | None = None, watch: Watch = silent
) -> SweepResult:
    """Run ``sweep``; every run leaves its result file in ``folder``, so a killed sweep resumes.

    Points that differ in their decoders alone are asked in the same batches, unless ``max_seconds`` bounds the
    sweep: then one after the other.

    Args:
        run: evaluates runs that can share batches, each into its result file.
        watch: opens a progress display with a heading.

    Raises:
        SettingError: an impossible point (before anything is run), or a metric that applies to no question.
    """
    num_dev, base = _split(sweep)
    if run is None:
        with Engines(folder, base.first, base.limit) as engines:
            return run_sweep(sweep, folder, engines.evaluate_together, watch)
    points = sweep.combinations()
    if not points:
        raise SettingError("the sweep's 'skip' leaves no combination of its grid; loosen it")
    configs = [base.changed(**point) for point in points]
    scores: dict[int, Score] = {}
    deadline = time.monotonic() + (sweep.max_seconds or float("inf"))
    for group in _groups(sweep, configs):
        if scores and time.monotonic() >= deadline:
            break
        devs = [configs[index].changed(limit=num_dev) for index in group]
        heading = ", ".join(describe([points[index] for index in group]))
        with watch(heading) as progress:
            evaluations = run([RunJob(dev, _path(folder, "dev", dev, devs)) for dev in devs], progress)
        scores.update((index, _score(sweep, base, item)) for index, item in zip(group, evaluations, strict=True))
    tried = [Tried(points[index], configs[index], scores[index]) for index in sorted(scores)]
    sign = 1.0 if sweep.is_higher_better else -1.0
    best = max(tried, key=lambda item: sign * item.score.interval.value)
    with watch("best, on the other questions") as progress:
        rest = _on_rest(best.config, num_dev, folder, run, progress)
    first = tried[0]
    others = [] if best is first else [_on_rest(first.config, num_dev, folder, run, None)]
    gains = [gain for other in others for gain in _compare(sweep, base, other, rest)]
    figures = _score(sweep, base, rest), tuple(gains), base.confidence
    return SweepResult(tuple(tried), len(points) - len(tried), best, *figures)


def _split(sweep: SweepConfig) -> tuple[int, RunConfig]:
    """How many questions choose, and the shared settings with the number of all questions fixed."""
    base = RunConfig.from_values(sweep.base)
    dataset = load_dataset(base.dataset, base.data, base.subset, base.split)
    num = len(select(dataset.questions, base.first, base.limit))
    num_dev = round(num * sweep.dev_share)
    if not 0 < num_dev < num:
        raise SettingError(f"dev_share={sweep.dev_share} of {num} questions leaves one split empty; use more questions")
    return num_dev, base.changed(limit=num)


def _groups(sweep: SweepConfig, configs: Sequence[RunConfig]) -> list[list[int]]:
    """The points, by their places, that are evaluated together."""
    if sweep.max_seconds is not None:
        return [[index] for index in range(len(configs))]
    groups: dict[str, list[int]] = {}
    for index, config in enumerate(configs):
        groups.setdefault(config.batch_key(), []).append(index)
    return list(groups.values())


def _on_rest(
    config: RunConfig, num_dev: int, folder: Path, run: EvaluateTogether, progress: OnProgress | None
) -> Evaluation:
    assert config.limit is not None  # fixed by _split
    rest = config.changed(first=config.first + num_dev, limit=config.limit - num_dev)
    return run([RunJob(rest, _path(folder, "rest", rest, [rest]))], progress)[0]


def _score(sweep: SweepConfig, base: RunConfig, evaluation: Evaluation) -> Score:
    seed = int(evaluation.run.identity.get("seed", 0))
    result = score(sweep.metric, evaluation.run.records, base.confidence, seed)
    if result is None:
        raise SettingError(f"metric {sweep.metric!r} applies to no question of {evaluation.run.path}; choose another")
    return result


def _compare(sweep: SweepConfig, base: RunConfig, first: Evaluation, best: Evaluation) -> list[Comparison]:
    return compare_runs(first.run, best.run, [sweep.metric], base.confidence, base.seed)


def _path(folder: Path, part: str, config: RunConfig, together: Sequence[RunConfig]) -> Path:
    return folder / f"{part}-{config.decoder}-{batch_fingerprint(config, together)}.jsonl"


def describe(points: Sequence[dict[str, Any]]) -> list[str]:
    """Points as short text, ``decoder=cad alpha=1.0``."""
    return [" ".join(f"{key}={value}" for key, value in point.items()) for point in points]
