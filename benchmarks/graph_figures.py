"""Figures of the graph alone: the walker's hits on PathQuestion, and the speed of PageRank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from benchmarks.sets import rows, seconds
from kg.graph import KnowledgeGraph
from kg.imports import import_triples
from kg.matrices import GraphMatrices
from kg.names import canonical
from kg.pagerank import Transition, personalised_pagerank
from kg.walk import Walker
from rag.models.sentence_encoder import SentenceEncoder

QUICK_STEP = 8


def walker_hits(data: Path, encoder: SentenceEncoder, is_quick: bool) -> tuple[float, int]:
    """Share of the questions whose first path ends at an answer, and how many were asked."""
    folder = data / "pathquestion"
    graph = KnowledgeGraph(import_triples(folder / "triples.jsonl", doc_id="pathquestion").extractions)
    walker = Walker(graph, encoder)
    questions = rows(folder / "questions.jsonl")[:: QUICK_STEP if is_quick else 1]
    hits = 0
    for row in questions:
        paths = walker.walk(row["question"], top_k=1)
        hits += bool(paths) and paths[0].answer in set(map(canonical, row["answers"]))
    return hits / len(questions), len(questions)


def pagerank_figures(data: Path) -> dict[str, float]:
    """Speed against networkx on MuSiQue's graph, both walking to the same precision, and the largest difference."""
    graph = KnowledgeGraph(import_triples(data / "musique" / "triples.jsonl").extractions)
    adjacency = GraphMatrices.from_graph(graph).adjacency
    transition = Transition.from_adjacency(adjacency)
    peer = nx.from_scipy_sparse_array(adjacency, create_using=nx.DiGraph)
    seeds = np.zeros(adjacency.shape[0])
    seeds[: len(graph.passage_ids) : 20] = 1.0
    personalization = dict(enumerate(seeds.tolist()))
    # networkx multiplies its tolerance by the number of nodes.
    tolerance = 1e-8

    def ours() -> Any:
        return personalised_pagerank(transition, seeds, tolerance=tolerance)

    def theirs() -> Any:
        return nx.pagerank(peer, alpha=0.5, personalization=personalization, tol=tolerance / len(seeds))

    expected = theirs()
    difference = float(np.abs(ours() - np.array([expected[i] for i in range(len(seeds))])).max())
    # The fastest of several runs: the rest is what else the machine was doing.
    speedup = min(seconds(theirs) for _ in range(5)) / min(seconds(ours) for _ in range(20))
    return {"ppr_speedup": round(float(speedup), 1), "ppr_largest_difference": difference}
