"""Metrics of a run: per question first, aggregates from those, so that any two runs can be compared in pairs.

Every metric is a ratio of two sums over the questions, a mean being the case where each question weighs 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.metrics.abstention import abstains
from eval.metrics.answers import contains_answer, exact_match, f1
from eval.metrics.names import check_metrics
from eval.metrics.ranking import is_ranking_metric, ranking_scores
from eval.metrics.stats import Interval, ratio_interval
from eval.records import Record

# They describe an answer; without an answer there is nothing to describe, and 0 would be praise.
_DESCRIPTIVE = frozenset({"conflict_rate", "gate_open_rate", "context_tokens", "parametric_tokens", "generated_tokens"})
_TOKEN_FIELDS = {
    "context_tokens": "context_prompt",
    "parametric_tokens": "parametric_prompt",
    "generated_tokens": "generated",
}


@dataclass(frozen=True)
class Contribution:
    """What one question adds to a metric's two sums."""

    numerator: float
    denominator: float = 1.0


@dataclass(frozen=True)
class Score:
    """A metric of a run.

    Attributes:
        parts: by question_id; questions to which the metric does not apply are not in it.
        interval: the aggregate and its bootstrap interval.
    """

    metric: str
    parts: Mapping[str, Contribution]
    interval: Interval

    @property
    def num_questions(self) -> int:
        """Questions to which the metric applies."""
        return len(self.parts)


def score(metric: str, records: Sequence[Record], confidence: float = 0.95, seed: int = 0) -> Score | None:
    """``metric`` over ``records``; ``None`` when it applies to none of them.

    Raises:
        SettingError: an unknown metric.
    """
    check_metrics([metric])
    parts = score_parts(metric, records)
    if not parts:
        return None
    numerators = [part.numerator for part in parts.values()]
    denominators = [part.denominator for part in parts.values()]
    return Score(metric, parts, ratio_interval(numerators, denominators, confidence, seed))


def score_parts(metric: str, records: Sequence[Record]) -> dict[str, Contribution]:
    """The metric question by question, in the order of ``records``."""
    if is_ranking_metric(metric):
        judged = [record for record in records if record.ranking is not None or record.answer is None]
        gold = {record.question_id: record.gold_doc_ids for record in judged if record.gold_doc_ids}
        rankings = {record.question_id: [doc for doc, _ in record.ranking or ()] for record in judged}
        if not any(rankings.values()):
            return {}
        return {query: Contribution(value) for query, value in ranking_scores(metric, rankings, gold).items()}
    if metric == "strict_accuracy" and not any(record.wrong_answers for record in records):
        return {}  # several answers are then wordings of one, not answers that must all be given
    if metric.startswith("abstention") and all(record.references for record in records):
        return {}
    parts = ((record.question_id, _part(metric, record)) for record in records)
    return {question_id: part for question_id, part in parts if part is not None}


def _part(metric: str, record: Record) -> Contribution | None:
    """What ``record`` adds to ``metric``; ``None`` when the metric does not apply to it."""
    if record.is_ranking_only:
        return None
    if record.answer is None:
        return _missing(metric, record)
    text, conflict = record.answer, record.conflict
    match metric:
        case "exact_match":
            return Contribution(exact_match(text, record.references))
        case "f1":
            return Contribution(f1(text, record.references))
        case "accuracy":
            return Contribution(_accuracy(text, record))
        case "strict_accuracy":
            return Contribution(_strict_accuracy(text, record)) if record.references else None
        case "conr":
            return Contribution(contains_answer(text, record.context_answers)) if record.context_answers else None
        case "parr":
            return Contribution(contains_answer(text, record.memory_answers)) if record.memory_answers else None
        case "mr":
            return _mr(text, record)
        case "abstention_precision":
            has_abstained = abstains(text)
            return Contribution(float(has_abstained and not record.references), float(has_abstained))
        case "abstention_recall":
            return Contribution(float(abstains(text) and not record.references), float(not record.references))
        case "citation_precision" | "citation_recall":
            return _citations(metric, record)
        case "conflict_rate":
            return Contribution(float(conflict.is_conflict)) if conflict else None
        case "gate_open_rate":
            return Contribution(conflict.num_open, conflict.num_steps) if conflict else None
    return Contribution(record.tokens[_TOKEN_FIELDS[metric]])


def _missing(metric: str, record: Record) -> Contribution | None:
    """A question without a result scores 0 wherever a share of right answers is counted."""
    if metric in _DESCRIPTIVE:
        return None
    match metric:
        case "abstention_precision":
            return Contribution(0.0, 0.0)
        case "abstention_recall":
            return Contribution(0.0, float(not record.references))
        case "mr":
            return Contribution(0.0, 0.0) if record.context_answers and record.memory_answers else None
    needs: dict[str, Sequence[str]] = {
        "conr": record.context_answers,
        "parr": record.memory_answers,
        "strict_accuracy": record.references,
        "citation_precision": record.gold_doc_ids or (),
        "citation_recall": record.gold_doc_ids or (),
    }
    return Contribution(0.0) if needs.get(metric, "applies to all") else None


def _accuracy(text: str, record: Record) -> float:
    """Containment of an answer; where there is none, abstention."""
    return contains_answer(text, record.references) if record.references else float(abstains(text))


def _strict_accuracy(text: str, record: Record) -> float:
    """All answers contained, and no wrong one. Source: Wang et al. 2025 (RAMDocs)."""
    has_all = all(contains_answer(text, [answer]) for answer in record.references)
    return float(has_all and not contains_answer(text, record.wrong_answers))


def _mr(text: str, record: Record) -> Contribution | None:
    """ParR over ParR + ConR; an answer that contains both counts in both."""
    if not record.context_answers or not record.memory_answers:
        return None
    memory = contains_answer(text, record.memory_answers)
    return Contribution(memory, memory + contains_answer(text, record.context_answers))


def _citations(metric: str, record: Record) -> Contribution | None:
    """Share of the cited documents that are gold, or of the gold documents that are cited."""
    if not record.gold_doc_ids:
        return None
    gold = set(record.gold_doc_ids)
    num_right = len(gold.intersection(record.citations))
    whole = len(record.citations) if metric == "citation_precision" else len(gold)
    return Contribution(num_right / whole if whole else 0.0)
