"""Questions that one run answered right and the next one does not, or the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.metrics.scores import score_parts
from eval.records import Record
from eval.run.store import Run

# Metrics that are 0 or 1 for a question, so that "right" has a meaning.
DECISIVE_METRICS = ("accuracy", "strict_accuracy", "exact_match")


@dataclass(frozen=True)
class Flip:
    """A question that only one of two runs answered right.

    Attributes:
        references: the right answers; none where an abstention is right.
        before, after: the answer of the base run, and that of the other. A refusal is shown by its reason.
    """

    question_id: str
    question: str
    references: tuple[str, ...]
    before: str
    after: str


@dataclass(frozen=True)
class Flips:
    """The questions on which two runs differ.

    Attributes:
        metric: what says whether an answer is right.
        base, other: names of the runs.
        negative: right in the base run, wrong in the other; in the order of the base run.
        positive: wrong in the base run, right in the other.
    """

    metric: str
    base: str
    other: str
    negative: tuple[Flip, ...]
    positive: tuple[Flip, ...]


def choose_decisive(metrics: Sequence[str]) -> str:
    """The metric that says what is right: the first of :data:`DECISIVE_METRICS` among ``metrics``, else accuracy."""
    return next((name for name in DECISIVE_METRICS if name in metrics), DECISIVE_METRICS[0])


def find_flips(base: Run, other: Run, metric: str = "accuracy") -> Flips:
    """The questions that both runs asked and only one answered right.

    Args:
        base: the run of before.
        other: the run of now.
        metric: one of :data:`DECISIVE_METRICS`.
    """
    before, after = score_parts(metric, base.records), score_parts(metric, other.records)
    later = {record.question_id: record for record in other.records}
    pairs = [
        (record, later[record.question_id], before[record.question_id].numerator, after[record.question_id].numerator)
        for record in base.records
        if record.question_id in before and record.question_id in after
    ]
    return Flips(
        metric,
        base.name,
        other.name,
        negative=tuple(_flip(one, two) for one, two, was, now in pairs if was > now),
        positive=tuple(_flip(one, two) for one, two, was, now in pairs if was < now),
    )


def _flip(one: Record, two: Record) -> Flip:
    return Flip(one.question_id, one.question, one.references, _shown(one), _shown(two))


def _shown(record: Record) -> str:
    return f"(refused: {record.error})" if record.answer is None else record.answer
