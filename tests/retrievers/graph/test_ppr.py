"""PageRank retrieval: seeds by hand, and the dense fall-back."""

from __future__ import annotations

import numpy as np
import pytest

from kg.graph import KnowledgeGraph
from kg.matrices import GraphMatrices
from kg.pagerank import Transition
from kg.types import Extraction, Mention, Provenance, Triple
from retrievers.graph.ppr import ppr_scores, seeds_by_fact, seeds_by_name


def extraction(passage_id: str, *names: str, claim: tuple[str, str, str] | None = None) -> Extraction:
    source = Provenance(passage_id, passage_id)
    triples = (Triple(*claim, source),) if claim else ()
    return Extraction(passage_id, passage_id, tuple(Mention(name, source) for name in names), triples)


GRAPH = KnowledgeGraph(
    [
        extraction("p0", "mill", "ada", claim=("mill", "built by", "ada")),
        extraction("p1", "ada", "lighthouse"),
        extraction("p2", "garden"),
    ]
)
MATRICES = GraphMatrices.from_graph(GRAPH)
TRANSITION = Transition.from_adjacency(MATRICES.adjacency)


def test_the_walk_reaches_a_linked_passage() -> None:
    seeds = seeds_by_name(MATRICES, "Who owns the mill?")
    assert {name for name, i in MATRICES.entity_ids.items() if seeds[i]} == {"mill"}
    scores = ppr_scores(MATRICES, TRANSITION, np.array([0.5, 0.1, 0.1]), seeds)
    assert scores[0] > scores[1] > scores[2]


def test_no_seed_falls_back_to_dense() -> None:
    cosines = np.array([0.1, 0.3, 0.2])
    assert ppr_scores(MATRICES, TRANSITION, cosines, seeds_by_name(MATRICES, "what?")).tolist() == cosines.tolist()


def test_fact_seeds_by_hand() -> None:
    triples = list(GRAPH.triples())
    seeds = seeds_by_fact(MATRICES, triples, np.array([0.8], dtype=np.float32))
    by_name = {name: float(seeds[i]) for name, i in MATRICES.entity_ids.items() if seeds[i]}
    assert by_name == pytest.approx({"mill": 0.8, "ada": 0.4})
    assert not seeds_by_fact(MATRICES, [], np.zeros(0, dtype=np.float32)).any()
