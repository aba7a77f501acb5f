"""The default retriever: meaning, names and chains from the graph, words from the sparse index, behind a gate.

Fusing everything always is worse than the graph alone on questions of several hops (docs/LOG.md): there the words of
the question are those of the first passage only. On questions of one passage the words are the better guide. So BM25
is added to the graph's score (of which the cosine is a part) with a weight by the question's complexity, and only
where both rankings agree on something.

Shapes: P passages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rag.found import Found
from rag.types import ScoredPassage
from retrievers.base import BatchRetriever, stage_of
from retrievers.complexity import Complexity, complexity
from retrievers.graph import GraphRetriever, best, scored
from retrievers.graph_index import GraphIndex, Scores
from retrievers.sparse import SparseRetriever

_SPARSE_DEPTH = 50
_WEIGHTS: Mapping[Complexity, float] = {"simple": 0.5, "compound": 0.2, "multihop": 0.1}


@dataclass(frozen=True)
class GateSettings:
    """When the sparse ranking counts, and how much. Set on the even-numbered questions of three sets (docs/LOG.md).

    Attributes:
        weights: by complexity, of a BM25 score as a share of the question's best one, in units of cosine.
        agreement_depth: the sparse ranking counts where one of this many best passages is among as many of the
            graph's.
    """

    weights: Mapping[Complexity, float] = field(default_factory=lambda: dict(_WEIGHTS))
    agreement_depth: int = 10


class GatedRetriever(BatchRetriever):
    """The graph's ranking, helped by the sparse one where the gate lets it.

    Attributes:
        graph, sparse: the parts.
        settings: the gate's.
    """

    graph: Any  # GraphRetriever; pydantic would copy it
    sparse: Any  # SparseRetriever
    settings: GateSettings = GateSettings()

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """Rankings by graph score plus gated BM25."""
        return [list(found.ranking) for found in self.find(queries, top_k)]

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings, those of the parts, and the graph's paths to the passages."""
        graph: GraphRetriever = self.graph
        sparse: SparseRetriever = self.sparse
        index, rankings = graph.rankings(queries)
        out = []
        for query, ranking, words in zip(queries, rankings, sparse.search(queries, _SPARSE_DEPTH), strict=True):
            scores = ranking.scores + self.gate(query, index, ranking.scores, words)
            rows = best(index, scores, top_k)
            found = graph.found(query, index, ranking, rows)
            fused = scored(index, scores, rows)
            stages = (*found.stages, stage_of("sparse", words[:top_k]), stage_of("fused", fused))
            out.append(Found(tuple(fused), stages, found.paths))
        return out

    def gate(self, query: str, index: GraphIndex, scores: Scores, words: Sequence[ScoredPassage]) -> Scores:
        """``[P]``: what the sparse ranking adds; zeros where it agrees with the graph's on nothing.

        Source: ours; the gate after HyPA-RAG's ablation (Kalra et al. 2025) and Amar (Xu et al. 2025).
        """
        added = np.zeros(len(scores))
        depth = self.settings.agreement_depth
        agreed = {index.passages[row].passage_id for row in best(index, scores, depth)}
        if not any(item.passage.passage_id in agreed for item in words[:depth]):
            return added
        weight = self.settings.weights[complexity(query)] / max(words[0].score, 1e-12)
        for item in words:
            row = index.row_of.get(item.passage.passage_id)
            if row is not None:  # published between the two reads
                added[row] = weight * item.score
        return added
