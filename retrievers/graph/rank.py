"""The ranking of the graph retriever, on arrays: similarity, entities and chains.

The score of a passage i is the sum of three parts:

1. its cosine to the question, and to the clause of the question that is nearest to it;
2. the entities that it shares with the question, and whether its title is one of them;
3. the best chain that leads to it: from a seed passage j that ranks well, over an entity that j names and that i is
   about (or that both name), weighted by the words of the question that i contains and j does not.

Multi-hop questions need the third part. The second passage answers what the first one leaves open, so its cosine to
the whole question is low; and links alone, without the words, would bring in all neighbours of the first passage.

Shapes: P passages, E entities, S seeds, W content words of the question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from kg.names import ngrams
from rag.core.errors import SettingError
from retrievers.graph.index import MAX_QUESTION_WORDS, GraphIndex, Scores


@dataclass(frozen=True)
class GraphSettings:
    """Weights of the parts, in units of cosine, chosen on the even-numbered questions of two sets (docs/LOG.md).

    Attributes:
        entity_weight: of the question's entities in a passage, and once more of a title among them.
        chain_weight: of the best chain into a passage.
        temperature: the weight of a seed is ``exp((score - best score) / temperature)``.
        link_floor: value of a link to a passage with no further words of the question.
        shared_weight: of a link over an entity that both passages name; a link to a title has 1.
        num_seeds: number of best passages where chains start.
        max_shared: an entity in more passages than this does not link them (titles always do).
        has_facets: compare passages with the question's clauses too.
    """

    entity_weight: float = 0.25
    chain_weight: float = 2.5
    temperature: float = 0.25
    link_floor: float = 0.1
    shared_weight: float = 0.5
    num_seeds: int = 20
    max_shared: int = 30
    has_facets: bool = True

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise SettingError(f"temperature={self.temperature}: expected a number above 0")
        if self.num_seeds < 1:
            raise SettingError(f"num_seeds={self.num_seeds}: expected 1 or more")
        for name in ("entity_weight", "chain_weight", "link_floor", "shared_weight", "max_shared"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name}={getattr(self, name)}: expected 0 or more")


@dataclass(frozen=True)
class Ranking:
    """Scores of every passage for one question, and their parts.

    Attributes:
        scores: ``[P]``.
        similarity: ``[P]``, part 1.
        entities: ``[P]``, part 2.
        chains: ``[P]``, part 3.
        via: ``[P]``, the seed of the best chain to a passage; -1 without a chain.
        covered: largest share of the question's content words, by weight, in one passage.
    """

    scores: Scores
    similarity: Scores
    entities: Scores
    chains: Scores
    via: np.ndarray[tuple[int], np.dtype[np.int64]]
    covered: float


def rank(index: GraphIndex, question: str, cosines: Scores, settings: GraphSettings) -> Ranking:
    """Score every passage.

    Args:
        index: the passages.
        question: the text.
        cosines: ``[F, P]``, of the question (row 0) and its clauses with the passages.
        settings: the weights.

    Returns:
        The ranking. If the question names no entity of the graph and no seed links to a passage, the scores are row 0
        of ``cosines``: plain dense retrieval.

    Source: ours; seeds and passages as nodes after HippoRAG 2 (Gutiérrez et al. 2025).
    """
    similarity, entities = local_parts(index, question, cosines, settings)
    local = similarity + entities
    covered, shares = index.coverage(question)
    chains, via = best_chains(index, (covered, shares), local, settings)
    if not entities.any() and not chains.any():
        similarity = local = cosines[0]
    best_coverage = min(float((covered @ shares).max(initial=0.0)), 1.0)
    chains *= settings.chain_weight
    return Ranking(local + chains, similarity, entities, chains, via, best_coverage)


def local_parts(index: GraphIndex, question: str, cosines: Scores, settings: GraphSettings) -> tuple[Scores, Scores]:
    """Parts 1 and 2 of the scores, ``[P]`` each: what a passage has by itself. Seeds are chosen by their sum."""
    similarity = (cosines[0] + cosines.max(axis=0)) / 2
    return similarity, settings.entity_weight * entity_overlap(index, question)


def entity_overlap(index: GraphIndex, question: str) -> Scores:
    """``[P]``, 0 to 2: share of the question's entities in a passage (by specificity), plus 1 if its title is one."""
    matrices = index.matrices
    linked = matrices.linked(ngrams(" ".join(question.split()[:MAX_QUESTION_WORDS])))
    weights = matrices.specificity[linked]
    share = matrices.naming[linked].T @ weights / max(float(weights.sum()), 1e-12)
    is_about = np.asarray(matrices.titled[linked].sum(axis=0)).ravel() > 0
    overlap: Scores = share + is_about
    return overlap


def best_chains(
    index: GraphIndex, coverage: tuple[Scores, Scores], local: Scores, settings: GraphSettings
) -> tuple[Scores, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Value of the best chain to each passage, ``[P]``, and the seed where it starts, ``[P]`` (-1: none).

    ``coverage`` is that of the question, from :meth:`GraphIndex.coverage`.
    """
    seeds = np.argsort(-local, kind="stable")[: settings.num_seeds]
    if not seeds.size:
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    prior = np.exp((local[seeds] - local[seeds[0]]) / settings.temperature)
    covered, shares = coverage
    best, via = np.zeros(len(local)), np.full(len(local), -1)
    strengths = links(index, seeds, settings)
    for row, seed in enumerate(seeds):
        cells = slice(strengths.indptr[row], strengths.indptr[row + 1])
        targets = strengths.indices[cells]
        gain = np.maximum(covered[targets] - covered[seed], 0) @ shares
        values = prior[row] * strengths.data[cells] * (settings.link_floor + gain)
        is_better = (values > best[targets]) & (targets != seed)
        best[targets[is_better]], via[targets[is_better]] = values[is_better], seed
    return best, via


def links(index: GraphIndex, seeds: np.ndarray[tuple[int], np.dtype[np.int64]], settings: GraphSettings) -> csr_matrix:
    """``[S, P]``, 0 to 1: strength of the link from each seed to each passage."""
    matrices = index.matrices
    counts = matrices.passage_counts
    by_title = (matrices.mentions[seeds] @ matrices.titled).tocsr()
    by_title.data[:] = 1.0
    weights = np.where(counts <= settings.max_shared, matrices.specificity**2, 0.0)
    seeding = matrices.named[seeds].multiply(weights).tocsr()
    # Otherwise every passage with a common entity would be visited, with weight 0.
    seeding.eliminate_zeros()
    shared = (seeding @ matrices.naming).tocsr()
    shared.data = settings.shared_weight * np.minimum(shared.data, 1.0)
    return by_title.maximum(shared).tocsr()


def common_entity(index: GraphIndex, seed: int, target: int) -> str:
    """The entity that links two passages; empty if none.

    A title of the target comes before other names, then the more specific and then the longer name."""
    matrices = index.matrices
    shared = matrices.named[seed].multiply(matrices.named[target]).tocoo().col.tolist()
    titles = set(matrices.titles[target].indices.tolist())
    keys = [
        (e not in titles, -matrices.specificity[e], -len(name), name)
        for e, name in zip(shared, matrices.names(shared, seed), strict=True)
    ]
    return min(keys)[3] if keys else ""
