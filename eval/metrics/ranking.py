"""Retrieval metrics, computed by ``ir_measures``. A question without a ranking scores 0."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import ir_measures
from ir_measures import RR, Measure, Qrel, R, ScoredDoc, nDCG

_NAME = re.compile(r"(recall|all_gold|mrr|ndcg)@([1-9][0-9]*)")
RANKING_FORMS: tuple[str, ...] = ("recall@K", "all_gold@K", "mrr@K", "ndcg@K")


def is_ranking_metric(name: str) -> bool:
    """Whether ``name`` is one of :data:`RANKING_FORMS` with a number for K."""
    return _NAME.fullmatch(name) is not None


def ranking_scores(
    metric: str, rankings: Mapping[str, Sequence[str]], gold: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """One value per question of ``gold``, in its order.

    Args:
        metric: ``recall@K`` (share of the gold documents in the top K), ``all_gold@K`` (1 when all are),
            ``mrr@K`` (1 / rank of the first gold document) or ``ndcg@K`` (binary gains).
        rankings: doc_ids by query_id, best first; a document counts at its first place only.
        gold: relevant doc_ids by query_id, at least one each.

    Raises:
        ValueError: another metric.
    """
    measure, is_all = _measure(metric)
    # Scores fall with the rank, so the library has no ties to break.
    run = [ScoredDoc(query, doc, -float(rank)) for query, doc, rank in _ranked(rankings) if query in gold]
    qrels = [Qrel(query, doc, 1) for query, docs in gold.items() for doc in dict.fromkeys(docs)]
    computed = {item.query_id: float(item.value) for item in ir_measures.iter_calc([measure], qrels, run)}
    values = {query: computed.get(query, 0.0) for query in gold}
    return {query: float(value == 1.0) for query, value in values.items()} if is_all else values


def _measure(metric: str) -> tuple[Measure, bool]:
    """The library's measure, and whether only its full score counts."""
    match = _NAME.fullmatch(metric)
    if match is None:
        raise ValueError(f"{metric!r} is no ranking metric; expected one of {', '.join(RANKING_FORMS)}")
    cutoff = int(match[2])
    match match[1]:
        case "mrr":
            return RR @ cutoff, False
        case "ndcg":
            return nDCG @ cutoff, False
        case name:
            return R @ cutoff, name == "all_gold"


def _ranked(rankings: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, int]]:
    for query, docs in rankings.items():
        for rank, doc in enumerate(dict.fromkeys(docs), start=1):
            yield query, doc, rank
