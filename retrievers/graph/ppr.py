"""Graph ranking by personalised PageRank, after HippoRAG 2: linked entities and all passages are seeds of one walk.

A published baseline that ``benchmarks/retrieval.py`` compares with; no setting of the engine uses it. In that benchmark
it added nothing to the chains of :mod:`retrievers.graph.rank` (docs/LOG.md).

Shapes: P passages, E entities, N = P + E nodes, F triples, D vector length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.matrices import GraphMatrices
from kg.names import ngrams
from kg.pagerank import Scores, Transition, personalised_pagerank
from kg.types import Triple


@dataclass(frozen=True)
class PprSettings:
    """The published settings.

    Attributes:
        damping: probability to walk on instead of restarting.
        passage_weight: weight of a passage's cosine among the seeds.
        num_facts: number of triples that the question is linked to.
    """

    damping: float = 0.5
    passage_weight: float = 0.05
    num_facts: int = 5


def ppr_scores(
    matrices: GraphMatrices,
    transition: Transition,
    cosines: Scores,
    entity_seeds: Scores,
    settings: PprSettings = PprSettings(),
) -> Scores:
    """``[P]`` probabilities of the walk; the cosines themselves if no entity is a seed.

    Args:
        matrices: the graph.
        transition: built once from ``matrices.adjacency``.
        cosines: ``[P]``, of the question with the passages.
        entity_seeds: ``[E]``, 0 or more.
        settings: of the walk.
    """
    if not entity_seeds.any():
        return cosines
    low, high = float(cosines.min()), float(cosines.max())
    dense = (cosines - low) / max(high - low, 1e-12)
    seeds = np.concatenate([settings.passage_weight * dense, entity_seeds])
    return personalised_pagerank(transition, seeds, settings.damping)[: len(cosines)]


def seeds_by_name(matrices: GraphMatrices, question: str) -> Scores:
    """``[E]``: 1 for an entity that the question names, divided by the number of passages that name it."""
    seeds = np.zeros(len(matrices.entity_ids))
    linked = matrices.linked(ngrams(question))
    seeds[linked] = 1 / np.maximum(matrices.passage_counts[linked], 1)
    return seeds


def seeds_by_fact(
    matrices: GraphMatrices, triples: Sequence[Triple], similarities: NDArray[np.float32], num_facts: int = 5
) -> Scores:
    """``[E]``: subjects and objects of the triples nearest to the question, by mean similarity over their passages.

    Args:
        matrices: the graph that contains the triples.
        triples: F of them.
        similarities: ``[F]``, cosine of the question with each triple's text.
        num_facts: number of nearest triples to use.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), query-to-triple linking, without its filter by a language model.
    """
    total, times = np.zeros(len(matrices.entity_ids)), np.zeros(len(matrices.entity_ids))
    for row in np.argsort(-similarities, kind="stable")[:num_facts]:
        for entity in matrices.linked((triples[row].subject, triples[row].object)):
            total[entity] += max(float(similarities[row]), 0.0)
            times[entity] += 1
    mean: Scores = total / np.maximum(times, 1) / np.maximum(matrices.passage_counts, 1)
    return mean
