"""Atomic questions as a second dense entry to each passage: an experiment in memory, not a part of the product.

The deterministic writer of the patches asks questions of each passage. A passage is then as near to a question as its
text, or as the nearest of its own questions. The weight of the second entry is chosen on even-numbered questions.

Source: atomic questions after PIKE-RAG (Wang et al. 2025), which has a language model write them; the rules are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sets import TestSet, recall, seconds
from eval.metrics.stats import paired_test
from rag.core.encoding import Encoder
from rag.core.passages import Passage, ScoredPassage
from rag.patches.base import PatchDocument
from rag.patches.questions.rules import write_rules
from retrievers.depth import DepthSettings, deepen, sentences
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import HybridRetriever
from retrievers.sparse import SparseRetriever

TOP_K = 5
WEIGHTS = (0.1, 0.25, 0.5, 1.0)
_RRF_K = 60
_ROUNDS = 3
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class AtomicIndex:
    """The questions of all passages.

    Attributes:
        vectors: ``[Q, D]``.
        first: where each passage's questions begin, ``[P]``; a passage without a question stands for itself.
    """

    vectors: NDArray[np.float32]
    first: NDArray[np.int64]

    @classmethod
    def build(cls, passages: Sequence[Passage], encoder: Encoder) -> AtomicIndex:
        """Write and encode the questions."""
        texts = [write_questions(passage) for passage in passages]
        counts = np.cumsum([0, *map(len, texts)])[:-1]
        return cls(encoder.encode([text for row in texts for text in row]), counts)

    def similarity(self, asked: NDArray[np.float32]) -> Scores:
        """``[N, P]``: cosine of each question ``[N, D]`` and the nearest question of each passage."""
        nearest: Scores = np.maximum.reduceat((asked @ self.vectors.T).astype(np.float64), self.first, axis=1)
        return nearest


def write_questions(passage: Passage) -> list[str]:
    """The most direct question about each name and number of a passage; its title where the rules ask nothing."""
    document = PatchDocument(passage.doc_id, passage.title, passage.text, "", ())
    return list(dict.fromkeys(sample.question for sample in write_rules(document, 1))) or [passage.title or " "]


def atomic_figures(test_set: TestSet, shared: Encoder, encoder: Encoder) -> dict[str, Any]:
    """Recall@5 by way of ranking, all questions and the odd-numbered ones, and what the index costs.

    Args:
        test_set: passages and questions.
        shared: remembers vectors; figures that are no times use it.
        encoder: the same one without a memory, for times.
    """
    index = AtomicIndex.build(test_set.passages, shared)
    asked = shared.encode(test_set.questions)
    row_ids, vectors, _ = test_set.library.vectors()
    by_row = [passage.doc_id for passage in test_set.library.passages([int(i) for i in row_ids]).values()]
    assert by_row == [passage.doc_id for passage in test_set.passages]
    dense, atomic = (asked @ vectors.T).astype(np.float64), index.similarity(asked)
    graph = GraphRetriever(library=test_set.library, encoder=shared)
    hybrid = HybridRetriever(graph=graph, sparse=SparseRetriever(library=test_set.library))
    rankings = hybrid.search(test_set.questions, DepthSettings().num_candidates)
    first = _as_scores(rankings, test_set.passages)
    ways: dict[str, list[list[str]]] = {"dense": _best(dense, test_set), "atomic": _best(atomic, test_set)}
    ways["dense, nearest of both"] = _best(np.maximum(dense, atomic), test_set)
    ways["dense, ranks of both"] = _best(_ranks(dense) + _ranks(atomic), test_set)
    sums = {weight: _best(dense + weight * atomic, test_set) for weight in WEIGHTS}
    weights = {"dense + atomic": _choose(sums, test_set)}
    ways["dense + atomic"] = sums[weights["dense + atomic"]]
    ways["hybrid"] = _best(first, test_set)
    sums = {weight: _best(first + weight * atomic, test_set) for weight in WEIGHTS}
    weights["hybrid + atomic"] = _choose(sums, test_set)
    ways["hybrid + atomic"] = sums[weights["hybrid + atomic"]]
    for name, split in {"rounds by sentences": sentences, "rounds by atomic questions": write_questions}.items():
        ways[name] = _deepened(test_set, rankings, shared, split)
    texts = [text for passage in test_set.passages[::10] for text in write_questions(passage)]
    return {
        **_recalls(ways, test_set),
        "weights": weights,
        "questions_per_passage": round(len(index.vectors) / len(test_set.passages), 2),
        "encode_ms_per_passage": round(1000 * seconds(lambda: encoder.encode(texts)) / len(test_set.passages[::10]), 1),
    }


def _deepened(test_set: TestSet, rankings: Sequence[list[ScoredPassage]], encoder: Encoder, split: Any) -> Any:
    pairs = zip(test_set.questions, rankings, strict=True)
    return [
        [item.passage.doc_id for item in deepen(*pair, encoder, _ROUNDS, split=split).ranking[:TOP_K]] for pair in pairs
    ]


def _recalls(ways: dict[str, list[list[str]]], test_set: TestSet) -> dict[str, Any]:
    """Recall of each way; that with atomic questions with its paired difference from the way without."""
    values = {name: recall(test_set.gold, documents) for name, documents in ways.items()}
    result: dict[str, Any] = {}
    for name, row in values.items():
        base = next(word for word in ("hybrid", "rounds", "dense", "atomic") if name.startswith(word))
        former = values[{"rounds": "rounds by sentences", "atomic": "dense"}.get(base, base)]
        interval = paired_test(former, row).interval
        result[name] = {
            "all": round(float(np.mean(row)), 4),
            "odd": round(float(np.mean(row[1::2])), 4),
            "difference": [round(value, 3) for value in (interval.value, interval.low, interval.high)],
        }
    return result


def _choose(sums: dict[float, list[list[str]]], test_set: TestSet) -> float:
    """The weight with the best recall on even-numbered questions."""
    return max(sums, key=lambda weight: float(np.mean(recall(test_set.gold, sums[weight])[::2])))


def _best(scores: Scores, test_set: TestSet) -> list[list[str]]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP_K]
    return [[test_set.passages[row].doc_id for row in rows] for rows in order]


def _ranks(scores: Scores) -> Scores:
    """Reciprocal ranks ``[N, P]``."""
    order = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    ranks: Scores = 1 / (_RRF_K + 1 + order)
    return ranks


def _as_scores(rankings: Sequence[Sequence[ScoredPassage]], passages: Sequence[Passage]) -> Scores:
    """``[N, P]``; passages that a ranking leaves out get 0."""
    rows = {passage.doc_id: row for row, passage in enumerate(passages)}
    scores = np.zeros((len(rankings), len(passages)))
    for number, ranking in enumerate(rankings):
        for item in ranking:
            scores[number, rows[item.passage.doc_id]] = item.score
    return scores
