"""The names of all metrics, and what each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from eval.metrics.ranking import RANKING_FORMS, is_ranking_metric
from rag.core.errors import SettingError

# In one line each, as the report and `concord eval list` show them.
_ANSWER_MEANINGS: Mapping[str, str] = {
    "exact_match": "share of answers that equal a right one, normalised as in SQuAD",
    "f1": "best overlap of words with a right answer, normalised as in SQuAD",
    "accuracy": "share of answers that contain a right one; of abstentions where there is none",
    "strict_accuracy": "share that contain all right answers and no wrong one",
    "conr": "share of answers that contain what the passages say",
    "parr": "share of answers that contain what the memory says",
    "mr": "memorization ratio: parr / (parr + conr)",
    "abstention_precision": "share of abstentions that were right",
    "abstention_recall": "share of unanswerable questions that got an abstention",
    "citation_precision": "share of the documents in the prompt that are gold",
    "citation_recall": "share of the gold documents that are in the prompt",
    "conflict_rate": "share of answers reported as a conflict of memory and documents",
    "gate_open_rate": "share of steps at which the decoder departed from plain decoding",
    "context_tokens": "tokens of the prompt with passages",
    "parametric_tokens": "tokens of the prompt without",
    "generated_tokens": "tokens of the answer",
}
_RANKING_MEANINGS: Mapping[str, str] = {
    "recall@K": "share of the gold documents among the first K",
    "all_gold@K": "share of questions with all gold documents among the first K",
    "mrr@K": "1 / rank of the first gold document, 0 beyond K",
    "ndcg@K": "discounted gain of the gold documents among the first K",
}
METRIC_MEANINGS: Mapping[str, str] = {**_ANSWER_MEANINGS, **_RANKING_MEANINGS}
ANSWER_METRICS: tuple[str, ...] = tuple(_ANSWER_MEANINGS)
DEFAULT_METRICS: tuple[str, ...] = (*ANSWER_METRICS, "recall@2", "recall@5", "all_gold@5", "mrr@10", "ndcg@10")


def check_metrics(names: Sequence[str]) -> None:
    """
    Raises:
        SettingError: an unknown metric; the message says what there is.
    """
    for name in names:
        if name in ANSWER_METRICS or is_ranking_metric(name):
            continue
        near = get_close_matches(name, ANSWER_METRICS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        known = ", ".join((*ANSWER_METRICS, *RANKING_FORMS))
        raise SettingError(f"unknown metric {name!r}{hint}; choose from {known}")


def describe_metric(metric: str) -> str:
    """What ``metric`` is, in a line.

    Raises:
        SettingError: an unknown metric.
    """
    check_metrics([metric])
    return METRIC_MEANINGS[f"{metric.partition('@')[0]}@K" if is_ranking_metric(metric) else metric]
