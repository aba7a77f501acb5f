"""One line of a result file: a trial, what the engine answered, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from eval.types import Trial
from rag.core.answer import Answer, Citation, Conflict
from rag.core.errors import StorageError
from rag.core.passages import Passage, ScoredPassage
from rag.core.verdict import Verdict

# A coefficient of the parametric stream this close to 0 changes no token.
_NEUTRAL = 1e-6


@dataclass(frozen=True)
class ConflictSummary:
    """The conflict report of an answer without its steps.

    Attributes:
        num_open: steps at which the decoder departed from plain decoding (for ckplug: its gate was open).
        mean_jsd, max_jsd: over the steps, nats.
        mean_weight: the decoder's alpha, over the steps (see ``weight`` of :class:`rag.core.answer.Step`).
    """

    score: float
    is_conflict: bool
    context_answer: str
    memory_answer: str
    num_steps: int
    num_open: int
    mean_jsd: float
    max_jsd: float
    mean_weight: float


@dataclass(frozen=True)
class VerdictSummary:
    """The verdict on an answer without its passages.

    Attributes:
        kind, flags, summary: as in :class:`rag.core.verdict.Verdict`.
        positions: the answer of each, the leading one first.
        memory_answer, knows, relation: of the model's memory; ``None`` if it was not asked.
    """

    kind: str
    summary: str
    flags: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    memory_answer: str | None = None
    knows: float | None = None
    relation: str | None = None


@dataclass(frozen=True)
class BatchTiming:
    """The batch in which a question was answered; its wall time is every member's latency."""

    index: int
    size: int
    wall_ms: float


@dataclass(frozen=True)
class Record:
    """One question of a run.

    Attributes:
        answer: the engine's text, as it came; ``None`` when it could not answer, then ``error`` says why.
            Empty, with an empty ``decoder``, when only a ranking was asked for.
        ranking: ``(document, score)`` of each passage, best first; ``None`` where the engine did not retrieve.
        citations: documents that stood in the prompt, best first.
        num_dropped: passages left out because the prompt would not fit.
        tokens: prompt tokens of both streams and generated tokens.
        timings_ms: by stage, of the whole batch.
        verdict: what the sources say; ``None`` where the run made none.
        fingerprint: of the run's identity.
        versions: of the packages that produced the answer.
    """

    question_id: str
    question: str
    answer: str | None
    references: tuple[str, ...]
    error: str = ""
    context_answers: tuple[str, ...] = ()
    memory_answers: tuple[str, ...] = ()
    wrong_answers: tuple[str, ...] = ()
    group: str = ""
    ranking: tuple[tuple[str, float], ...] | None = None
    gold_doc_ids: tuple[str, ...] | None = None
    citations: tuple[str, ...] = ()
    num_dropped: int = 0
    decoder: str = ""
    finish_reason: str = ""
    conflict: ConflictSummary | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    batch: BatchTiming = BatchTiming(0, 1, 0.0)
    fingerprint: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    verdict: VerdictSummary | None = None

    def to_line(self) -> str:
        """The record as one line of JSON, its end included."""
        values = asdict(self)
        if self.verdict is None:
            del values["verdict"]  # as in files of the versions before it
        return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def is_ranking_only(self) -> bool:
        """Whether no answer was asked for."""
        return self.answer == "" and not self.decoder

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Record:
        """The reverse of :meth:`to_line`, from decoded JSON.

        Raises:
            StorageError: fields are missing, unknown or of another type.
        """
        known = {item.name for item in fields(cls)}
        odd = ", ".join(sorted((set(values) | {"verdict"}) ^ known))
        if odd:
            raise StorageError(f"the result file's line lacks or adds fields ({odd}); it was made by another version")
        try:
            return cls(**{key: _restored(key, value) for key, value in values.items()})
        except (TypeError, ValueError) as error:
            raise StorageError(f"the result file holds a line that is no result: {error}") from error


def answered(trial: Trial, answer: Answer, ranking: Sequence[ScoredPassage] | None, batch: BatchTiming) -> Record:
    """The record of a question that got its answer."""
    return Record(
        **_trial_fields(trial),
        answer=answer.text,
        ranking=None if ranking is None else _named(ranking, trial),
        citations=tuple(dict.fromkeys(_name(item, trial) for item in answer.citations)),
        num_dropped=len(answer.dropped),
        decoder=answer.decoder,
        finish_reason=answer.finish_reason,
        conflict=_trace(answer.conflict),
        verdict=_verdict(answer.verdict),
        tokens=asdict(answer.tokens),
        timings_ms=dict(answer.timings_ms),
        batch=batch,
    )


def ranked(trial: Trial, ranking: Sequence[ScoredPassage], batch: BatchTiming) -> Record:
    """The record of a question that was only to be ranked."""
    return Record(**_trial_fields(trial), answer="", ranking=_named(ranking, trial), batch=batch)


def unanswered(trial: Trial, error: str, batch: BatchTiming) -> Record:
    """The record of a question that the engine refused; it scores 0."""
    return Record(**_trial_fields(trial), answer=None, error=error, batch=batch)


def _named(ranking: Sequence[ScoredPassage], trial: Trial) -> tuple[tuple[str, float], ...]:
    return tuple((_name(item.passage, trial), item.score) for item in ranking)


def _name(item: Passage | Citation, trial: Trial) -> str:
    """The document's name as the data set has it: the engine keeps that as its source, a library's user may
    have given the engine's own doc_id."""
    return item.doc_id if item.doc_id in (trial.gold_doc_ids or ()) else item.source


def _trial_fields(trial: Trial) -> dict[str, Any]:
    names = "question_id question references context_answers memory_answers wrong_answers group gold_doc_ids"
    return {name: getattr(trial, name) for name in names.split()}


def _trace(conflict: Conflict) -> ConflictSummary:
    steps = conflict.steps
    num = len(steps)
    jsds = [step.jsd for step in steps if step.jsd is not None]
    return ConflictSummary(
        score=conflict.score,
        is_conflict=conflict.is_conflict,
        context_answer=conflict.context_answer,
        memory_answer=conflict.memory_answer,
        num_steps=num,
        num_open=sum(abs(step.parametric_coefficient) > _NEUTRAL for step in steps),
        mean_jsd=sum(jsds) / len(jsds) if jsds else 0.0,
        max_jsd=max(jsds, default=0.0),
        mean_weight=sum(step.weight for step in steps) / num if num else 0.0,
    )


def _verdict(verdict: Verdict | None) -> VerdictSummary | None:
    if verdict is None:
        return None
    answers = tuple(position.answer for position in verdict.positions)
    memory = verdict.memory
    voice = (memory.answer, memory.knows, memory.relation) if memory else (None, None, None)
    return VerdictSummary(verdict.kind, verdict.summary, verdict.flags, answers, *voice)


def _restored(key: str, value: Any) -> Any:
    match key:
        case "ranking" if value is not None:
            return tuple((doc_id, score) for doc_id, score in value)
        case "conflict" if value is not None:
            return ConflictSummary(**value)
        case "verdict" if value is not None:
            lists = {name: tuple(value[name]) for name in ("flags", "positions")}
            return VerdictSummary(**(value | lists))
        case "batch":
            return BatchTiming(**value)
    return tuple(value) if isinstance(value, list) else value
