"""Retrieval metrics against pytrec_eval and against hand-worked values."""

from __future__ import annotations

import math
import random

import pytest
import pytrec_eval

from eval.metrics.ranking import is_ranking_metric, ranking_scores

TREC = {"recall": "recall_{}", "ndcg": "ndcg_cut_{}"}


def _random_case(seed: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Rankings with repeated, missing and unjudged documents; queries without a ranking; rankings without a query."""
    rng = random.Random(seed)
    documents = [f"d{number}" for number in range(30)]
    rankings = {f"q{n}": rng.choices(documents, k=rng.randint(0, 25)) for n in range(12) if rng.random() < 0.85}
    gold = {f"q{n}": rng.sample(documents, rng.randint(1, 5)) for n in range(14)}
    return rankings, gold


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ["recall", "ndcg"])
@pytest.mark.parametrize("cutoff", [1, 3, 10, 100])
def test_agrees_with_pytrec_eval(seed: int, name: str, cutoff: int) -> None:
    rankings, gold = _random_case(seed)
    measure = TREC[name].format(cutoff)
    run = {q: {d: 1.0 / (r + 1) for r, d in enumerate(dict.fromkeys(docs))} for q, docs in rankings.items()}
    qrels = {query: dict.fromkeys(docs, 1) for query, docs in gold.items()}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {measure}).evaluate(run)
    ours = ranking_scores(f"{name}@{cutoff}", rankings, gold)
    assert list(ours) == list(gold)
    for query, value in ours.items():
        assert value == pytest.approx(theirs.get(query, {}).get(measure, 0.0), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_reciprocal_rank_agrees_with_pytrec_eval_on_the_cut_ranking(seed: int) -> None:
    rankings, gold = _random_case(seed)
    cut = {query: list(dict.fromkeys(docs))[:5] for query, docs in rankings.items()}
    run = {query: {d: -float(rank) for rank, d in enumerate(docs)} for query, docs in cut.items() if docs}
    qrels = {query: dict.fromkeys(docs, 1) for query, docs in gold.items()}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(run)
    for query, value in ranking_scores("mrr@5", rankings, gold).items():
        assert value == pytest.approx(theirs.get(query, {}).get("recip_rank", 0.0), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_all_gold_is_full_recall(seed: int) -> None:
    rankings, gold = _random_case(seed)
    for query, value in ranking_scores("all_gold@10", rankings, gold).items():
        top = list(dict.fromkeys(rankings.get(query, [])))[:10]
        assert value == float(set(gold[query]) <= set(top))


def test_hand_worked() -> None:
    rankings, gold = {"q": ["x", "b", "x", "a"], "empty": []}, {"q": ["a", "b"], "empty": ["a"], "absent": ["b"]}
    assert ranking_scores("recall@2", rankings, gold) == {"q": 0.5, "empty": 0.0, "absent": 0.0}
    assert ranking_scores("recall@3", rankings, gold)["q"] == 1.0  # the second x takes no place
    assert ranking_scores("mrr@9", rankings, gold)["q"] == 0.5
    dcg, ideal = 1 / math.log2(3) + 1 / math.log2(4), 1 + 1 / math.log2(3)
    assert ranking_scores("ndcg@9", rankings, gold)["q"] == pytest.approx(dcg / ideal, abs=1e-9)


@pytest.mark.parametrize("name", ["recall@0", "recall", "recall@-1", "map@5", "ndcg@ten", "recall@5x", "success@5"])
def test_other_names_are_refused(name: str) -> None:
    assert not is_ranking_metric(name)
    with pytest.raises(ValueError, match="is no ranking metric"):
        ranking_scores(name, {}, {"q": ["a"]})
