"""A run in figures: scores with intervals, which another run reproduces, and costs, which it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.metrics.scores import Score, score
from eval.metrics.verdicts import VerdictCounts, count_verdicts
from eval.records import Record
from eval.run.store import Run
from rag.core.errors import StorageError


@dataclass(frozen=True)
class Costs:
    """Time and tokens of a run.

    Attributes:
        latency_p50_ms, latency_p95_ms, latency_p99_ms: over questions; a question waits for its whole batch.
        questions_per_s, tokens_per_s: answered questions and generated tokens per second of engine time.
        stages_ms: engine time per question, by stage.
    """

    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    questions_per_s: float
    tokens_per_s: float
    stages_ms: dict[str, float]


@dataclass(frozen=True)
class Summary:
    """A run in figures.

    Attributes:
        num_trials, num_answered, num_refused: questions of the run, those answered, and those that the engine refused;
            the others are still to be asked.
        scores: in the order of the metrics asked for.
        inapplicable: metrics asked for that apply to no question.
        confidence: of the intervals of ``scores``.
        verdicts: what the sources said; ``None`` where the run made no verdicts.
    """

    name: str
    num_trials: int
    num_answered: int
    num_refused: int
    scores: tuple[Score, ...]
    costs: Costs
    inapplicable: tuple[str, ...] = ()
    confidence: float = 0.95
    verdicts: VerdictCounts | None = None

    def aggregates(self) -> dict[str, dict[str, float]]:
        """Value, interval and number of questions by metric: the reproducible part."""
        return {
            item.metric: {
                "value": item.interval.value,
                "low": item.interval.low,
                "high": item.interval.high,
                "num_questions": item.num_questions,
            }
            for item in self.scores
        }

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain JSON values."""
        counts = {"num_trials": self.num_trials, "num_answered": self.num_answered, "num_refused": self.num_refused}
        figures = {"metrics": self.aggregates(), "inapplicable": self.inapplicable, "costs": vars(self.costs)}
        verdicts = self.verdicts.to_dict() if self.verdicts else None
        return {"name": self.name, **counts, **figures, "verdicts": verdicts}


def summarize(run: Run, metrics: Sequence[str], confidence: float = 0.95, seed: int = 0) -> Summary:
    """The figures of ``run``.

    Raises:
        SettingError: an unknown metric.
        StorageError: the run holds no result yet.
    """
    if not run.records:
        raise StorageError(f"{run.path} holds no results yet; run it first")
    scores = {metric: score(metric, run.records, confidence, seed) for metric in metrics}
    num_refused = sum(record.answer is None for record in run.records)
    return Summary(
        name=run.name,
        num_trials=run.num_trials,
        num_answered=len(run.records) - num_refused,
        num_refused=num_refused,
        scores=tuple(item for item in scores.values() if item is not None),
        costs=measure_costs(run.records),
        inapplicable=tuple(metric for metric, item in scores.items() if item is None),
        confidence=confidence,
        verdicts=count_verdicts(run.records, str(run.identity.get("engine.policy", ""))),
    )


def measure_costs(records: Sequence[Record]) -> Costs:
    """Costs over ``records``; a batch that was run twice (the first time cut short) counts with the longer time."""
    waits = [record.batch.wall_ms for record in records]
    walls: dict[int, float] = {}
    stages: dict[tuple[int, str], float] = {}
    for record in records:
        index = record.batch.index
        walls[index] = max(walls.get(index, 0.0), record.batch.wall_ms)
        for stage, time_ms in record.timings_ms.items():
            stages[index, stage] = max(stages.get((index, stage), 0.0), time_ms)
    wall_s = sum(walls.values()) / 1000.0
    p50, p95, p99 = (float(value) for value in np.percentile(waits, [50, 95, 99]))
    num_tokens = sum(record.tokens.get("generated", 0) for record in records)
    names = dict.fromkeys(stage for _, stage in stages)
    by_stage = {name: sum(v for (_, stage), v in stages.items() if stage == name) / len(records) for name in names}
    num_answered = sum(record.answer is not None for record in records)
    return Costs(p50, p95, p99, _rate(num_answered, wall_s), _rate(num_tokens, wall_s), by_stage)


def _rate(count: int, wall_s: float) -> float:
    return count / wall_s if wall_s else 0.0
