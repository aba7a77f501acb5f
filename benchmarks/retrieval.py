"""Retrieval figures: recall by stage on two multi-hop sets, judges, memory, the walker's hits, PageRank's speed.

    python benchmarks/retrieval.py [--quick] [--data FOLDER]

Prints progress to stderr, two tables, then one JSON object on the last line. ``--quick`` asks the walker every eighth
question and squad2 every ninth, takes times over every third question, and leaves out the figures of 100,000 passages
(those of ``benchmarks/scale.py``), of memory without the filter, and what the generator does (the model judge and
rewriter); all other figures are the full ones. The settings were chosen on the even-numbered questions (0, 2, ...);
``all_odd`` is the figure of the others, and ``filter_auc`` and ``answerable_auc`` are of the others alone. Needs the
data sets beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import networkx as nx
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.judging import answerable_auc, filter_auc, rewriting
from benchmarks.question_cache import question_cache_figures
from benchmarks.scale import measure as scale_figures
from benchmarks.sets import DATA, TestSet, load, recall, rows, seconds
from kg.extract import ImportedExtractor
from kg.graph import KnowledgeGraph
from kg.imports import import_triples
from kg.matrices import GraphMatrices
from kg.names import canonical
from kg.pagerank import Transition, personalised_pagerank
from kg.walk import Walker
from rag.core.config import Config
from rag.generation.load import load_generator
from rag.models.sentence_encoder import RecentEncoder, SentenceEncoder
from retrievers.base import BatchRetriever
from retrievers.dense.retriever import DenseRetriever
from retrievers.fusion import FusedRetriever
from retrievers.graph.ppr import ppr_scores, seeds_by_name
from retrievers.graph.rank import GraphSettings
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import GateSettings, HybridRetriever
from retrievers.sparse import SparseRetriever

TOP_K = 5
SETS = ("hotpotqa", "musique")
QUICK_STEP = 8
QUICK_TIMED_STEP = 3
# Recall is taken over one in three of its answerable questions, for time's sake.
SQUAD_STEP = 3


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under three minutes; leaves out what is above")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    if not (args.data / "hotpotqa").is_dir():
        raise SystemExit(f"no data sets at {args.data}; give their folder with --data")
    started = time.perf_counter()
    # Before the encoder and its threads are there: this one is about time.
    result: dict[str, Any] = {**pagerank_figures(args.data)}
    encoder = SentenceEncoder(Config())
    # What is no matter of time is encoded once; times are taken with the encoder itself.
    shared = RecentEncoder(encoder, size=200_000)
    generator = None if args.quick else load_generator(Config())
    with tempfile.TemporaryDirectory() as folder:
        sets = {}
        for name in (*SETS, "squad2"):
            say(f"reading {name}")
            sets[name] = load(args.data, name, Path(folder), shared)
        for name in SETS:
            say(f"recall on {name}")
            result[name] = stages(sets[name], args.data, shared)
            result[f"{name}_ms_per_question"] = ms_per_question(sets[name], encoder, args.quick)
            result.setdefault("filter_auc", {})[name] = filter_auc(sets[name], shared, generator)
            if generator is not None:
                result.setdefault("rewriting", {})[name] = rewriting(sets[name], encoder, generator)
        say("recall, support and memory on squad2")
        squad = sets["squad2"]
        answerable = [i for i, gold in enumerate(squad.gold) if gold]
        some = squad.part(answerable[:: SQUAD_STEP * (3 if args.quick else 1)])
        result["squad2"] = stages(some, args.data, shared)
        result["squad2_ms_per_question"] = ms_per_question(some, encoder, args.quick)
        foreign = [question for name in SETS for question in sets[name].questions[1::2]]
        result["answerable_auc"] = answerable_auc(squad, foreign, shared, generator)
        # The key is that of earlier results, so that they can be compared.
        result["reservoir"] = question_cache_figures(squad, encoder, args.quick)
        for each in sets.values():
            each.library.close()
    say("walking PathQuestion")
    result["pathquestion_hits_at_1"], result["pathquestion_questions"] = walker_hits(args.data, encoder, args.quick)
    if not args.quick:
        result |= scale_figures(data=args.data)
    result["quick"], result["seconds"] = args.quick, round(time.perf_counter() - started, 1)
    show(result)
    print(json.dumps(result))


def stages(test_set: TestSet, data: Path, shared: RecentEncoder) -> dict[str, float]:
    """Recall@5 of every stage."""
    library = test_set.library
    sparse, dense = SparseRetriever(library=library), DenseRetriever(library=library, encoder=shared)
    graph = GraphRetriever(library=library, encoder=shared)
    graph.search(test_set.questions[:1], TOP_K)  # builds the graph, which the copies below take along
    default = GraphSettings()
    always = GateSettings(dict.fromkeys(GateSettings().weights, GateSettings().weights["simple"]), agreement_weight=0.0)
    retrievers: dict[str, BatchRetriever] = {
        "bm25": sparse,
        "dense": dense,
        "rrf": FusedRetriever(retrievers=[sparse, dense]),
        "rrf_of_three": FusedRetriever(retrievers=[sparse, dense, graph]),
        "all_less_gate": HybridRetriever(graph=graph, sparse=sparse, settings=always),
        "all_less_agreement": HybridRetriever(graph=graph, sparse=sparse, settings=GateSettings(agreement_weight=0.0)),
        "all_less_sparse": graph,
    }
    without = {
        "all_less_facets": replace(default, has_facets=False),
        "all_less_entities": replace(default, entity_weight=0.0),
        "all_less_shared_links": replace(default, shared_weight=0.0),
        "all_less_chains": replace(default, chain_weight=0.0),
    }
    for stage, settings in without.items():
        part = graph.model_copy(update={"settings": settings})
        retrievers[stage] = HybridRetriever(graph=part, sparse=sparse)
    triples = data / test_set.name / "triples.jsonl"
    if triples.is_file():
        imported = ImportedExtractor(import_triples(triples, test_set.passages).extractions)
        part = GraphRetriever(library=library, encoder=shared, extractors=(imported,))
        retrievers["all_with_imported_triples"] = HybridRetriever(graph=part, sparse=sparse)
    recalls = {stage: recall(test_set.gold, found(retriever, test_set)) for stage, retriever in retrievers.items()}
    recalls["ppr"] = recall(test_set.gold, ppr_found(test_set, graph, shared))
    recalls["all"] = recall(test_set.gold, found(HybridRetriever(graph=graph, sparse=sparse), test_set))
    out = {stage: float(np.mean(values)) for stage, values in recalls.items()}
    return out | {"all_even": float(np.mean(recalls["all"][::2])), "all_odd": float(np.mean(recalls["all"][1::2]))}


def found(retriever: BatchRetriever, test_set: TestSet) -> list[list[str]]:
    """The documents of each question's best passages."""
    rankings = retriever.search(test_set.questions, TOP_K)
    return [[scored.passage.doc_id for scored in ranking] for ranking in rankings]


def ppr_found(test_set: TestSet, retriever: GraphRetriever, encoder: RecentEncoder) -> list[list[str]]:
    """The same by personalised PageRank from the question's entities and the dense scores."""
    matrices = GraphMatrices.from_graph(retriever.graph, [passage.passage_id for passage in test_set.passages])
    transition = Transition.from_adjacency(matrices.adjacency)
    _, vectors, _ = test_set.library.vectors()
    cosines = (encoder.encode(test_set.questions) @ vectors.T).astype(np.float64)
    out = []
    for question, row in zip(test_set.questions, cosines, strict=True):
        scores = ppr_scores(matrices, transition, row, seeds_by_name(matrices, question))
        out.append([test_set.passages[i].doc_id for i in np.argsort(-scores, kind="stable")[:TOP_K]])
    return out


def ms_per_question(test_set: TestSet, encoder: SentenceEncoder, is_quick: bool) -> float:
    """Median wall time of one question to the full pipeline, asked by itself, the query's encoding included."""
    graph = GraphRetriever(library=test_set.library, encoder=encoder)
    retriever = HybridRetriever(graph=graph, sparse=SparseRetriever(library=test_set.library))
    questions = test_set.questions[:: QUICK_TIMED_STEP if is_quick else 1]
    retriever.search(questions[:1], TOP_K)  # builds the graph
    times = [seconds(lambda q=question: retriever.search([q], TOP_K)) for question in questions]  # type: ignore[misc]
    return round(1000 * float(np.median(times)), 2)


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


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


def show(result: dict[str, Any]) -> None:
    """The figures as two tables."""
    sets = (*SETS, "squad2")
    table = Table("stage", *sets, title=f"recall@{TOP_K} by stage")
    for stage in dict.fromkeys(stage for name in sets for stage in result[name]):
        cells = [result[name].get(stage) for name in sets]
        table.add_row(stage, *("" if cell is None else f"{cell:.3f}" for cell in cells))
    table.add_row("ms per question", *(str(result[f"{name}_ms_per_question"]) for name in sets))
    more = Table("figure", "value", title="and more")
    for key, value in flat(result):
        if key.split(".")[0] not in sets:
            more.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table, more)


def flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested keys joined by dots."""
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        pairs += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return pairs


if __name__ == "__main__":
    main()
