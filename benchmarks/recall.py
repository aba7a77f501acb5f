"""Recall@5 of every stage of retrieval on one data set, and the time of a question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.sets import TestSet, recall, seconds
from eval.metrics.stats import paired_test
from kg.extract import ImportedExtractor
from kg.imports import import_triples
from kg.matrices import GraphMatrices
from kg.pagerank import Transition
from rag.models.sentence_encoder import RecentEncoder, SentenceEncoder
from retrievers.base import BatchRetriever
from retrievers.dense.retriever import DenseRetriever
from retrievers.depth import DepthSettings, deepen
from retrievers.fusion import FusedRetriever
from retrievers.graph.ppr import ppr_scores, seeds_by_name
from retrievers.graph.rank import GraphSettings
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import GateSettings, HybridRetriever
from retrievers.sparse import SparseRetriever

TOP_K = 5
QUICK_TIMED_STEP = 3
TIMED_STEP = 10


def stages(test_set: TestSet, data: Path, shared: RecentEncoder) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Mean recall@5 of every stage; and by stage, the paired difference of ``all`` from it: value, low, high."""
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
    documents = {stage: top_documents(retriever, test_set) for stage, retriever in retrievers.items()}
    recalls = {stage: recall(test_set.gold, rankings) for stage, rankings in documents.items()}
    recalls["ppr"] = recall(test_set.gold, ppr_documents(test_set, graph, shared))
    recalls["all"] = recall(test_set.gold, top_documents(HybridRetriever(graph=graph, sparse=sparse), test_set))
    means = {stage: float(np.mean(values)) for stage, values in recalls.items()}
    means |= {"all_even": float(np.mean(recalls["all"][::2])), "all_odd": float(np.mean(recalls["all"][1::2]))}
    tests = {stage: paired_test(values, recalls["all"]).interval for stage, values in recalls.items() if stage != "all"}
    return means, {stage: [item.value, item.low, item.high] for stage, item in tests.items()}


def rounds_figures(test_set: TestSet, shared: RecentEncoder, encoder: SentenceEncoder) -> dict[str, float]:
    """Recall of the odd and of all questions after two and three rounds, and the added time of a question."""
    graph = GraphRetriever(library=test_set.library, encoder=shared)
    hybrid = HybridRetriever(graph=graph, sparse=SparseRetriever(library=test_set.library))
    first = hybrid.search(test_set.questions, DepthSettings().num_candidates)
    result: dict[str, float] = {}
    for rounds in (2, 3):
        documents = [
            [scored.passage.doc_id for scored in deepen(question, ranking, shared, rounds).ranking[:TOP_K]]
            for question, ranking in zip(test_set.questions, first, strict=True)
        ]
        values = recall(test_set.gold, documents)
        result[f"rounds_{rounds}"] = float(np.mean(values))
        result[f"rounds_{rounds}_odd"] = float(np.mean(values[1::2]))
        times = [
            seconds(lambda q=question, r=ranking, n=rounds: deepen(q, r, encoder, n))  # type: ignore[misc]
            for question, ranking in zip(test_set.questions[::TIMED_STEP], first[::TIMED_STEP], strict=True)
        ]
        result[f"rounds_{rounds}_added_ms"] = round(1000 * float(np.median(times)), 1)
    return result


def top_documents(retriever: BatchRetriever, test_set: TestSet) -> list[list[str]]:
    """The documents of each question's best passages."""
    rankings = retriever.search(test_set.questions, TOP_K)
    return [[scored.passage.doc_id for scored in ranking] for ranking in rankings]


def ppr_documents(test_set: TestSet, retriever: GraphRetriever, encoder: RecentEncoder) -> list[list[str]]:
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
