"""Retrieval figures: recall by stage on two multi-hop sets, the walker's hits, PageRank's speed.

    python benchmarks/retrieval.py [--quick] [--data FOLDER]

Prints a table, then one JSON object on the last line. ``--quick`` asks the walker every eighth question only; all
other figures are the full ones. The settings were chosen on the even-numbered questions (0, 2, ...); ``all_odd`` is
the figure of the others. Needs the data sets beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import networkx as nx
import numpy as np
from rich.console import Console
from rich.table import Table

from kg.extract import ImportedExtractor
from kg.graph import KnowledgeGraph
from kg.imports import import_triples
from kg.matrices import GraphMatrices
from kg.names import canonical
from kg.pagerank import Transition, personalised_pagerank
from kg.walk import Walker
from rag.config import Config
from rag.library import Library, Staged
from rag.types import Passage
from retrievers.base import BatchRetriever
from retrievers.dense import DenseRetriever
from retrievers.encoder import Encoder, SentenceEncoder, passage_text
from retrievers.graph import GraphRetriever
from retrievers.graph_ppr import ppr_scores, seeds_by_name
from retrievers.graph_rank import GraphSettings
from retrievers.hybrid import HybridRetriever
from retrievers.sparse import SparseRetriever

TOP_K = 5
SETS = ("hotpotqa", "musique")
QUICK_STEP = 8
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
Row = dict[str, Any]


@dataclass(frozen=True)
class TestSet:
    """One corpus in a library, its questions, and the gold documents of each."""

    name: str
    library: Library
    passages: list[Passage]
    questions: list[str]
    gold: list[set[str]]


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under three minutes")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    if not (args.data / "hotpotqa").is_dir():
        raise SystemExit(f"no data sets at {args.data}; give their folder with --data")
    started = time.perf_counter()
    # Before the encoder and its threads are there: this one is about time.
    result: dict[str, Any] = {**pagerank_figures(args.data)}
    encoder = SentenceEncoder(Config())
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            test_set = load(args.data, name, Path(folder), encoder)
            result[name], result[f"{name}_ms_per_question"] = stages(test_set, args.data, encoder)
            result.setdefault("filter_auc", {})[name] = filter_auc(test_set, encoder)
            test_set.library.close()
    result["pathquestion_hits_at_1"], result["pathquestion_questions"] = walker_hits(args.data, encoder, args.quick)
    result["quick"], result["seconds"] = args.quick, round(time.perf_counter() - started, 1)
    show(result)
    print(json.dumps(result))


def load(data: Path, name: str, folder: Path, encoder: Encoder) -> TestSet:
    """A data set as a library of one passage per document."""
    corpus = rows(data / name / "corpus.jsonl")
    passages = [
        Passage(f"{row['doc_id']}:0", row["doc_id"], row["doc_id"], row["title"], row["text"]) for row in corpus
    ]
    vectors = encoder.encode([passage_text(passage.title, passage.text) for passage in passages])
    library = Library.open(folder / name)
    library.stage(
        [
            Staged(p.doc_id, p.source, p.title, p.doc_id, len(p.text), [p], vectors[i : i + 1])
            for i, p in enumerate(passages)
        ]
    )
    library.publish([passage.doc_id for passage in passages], encoder.name)
    questions = rows(data / name / "questions.jsonl")
    gold = [set(row["gold_doc_ids"]) for row in questions]
    return TestSet(name, library, passages, [row["question"] for row in questions], gold)


def stages(test_set: TestSet, data: Path, encoder: Encoder) -> tuple[dict[str, float], float]:
    """Recall@5 of every stage, and the full pipeline's milliseconds per question, asked one at a time."""
    library = test_set.library
    sparse = SparseRetriever(library=library)
    dense = DenseRetriever(library=library, encoder=encoder)
    full = GraphRetriever(library=library, encoder=encoder)
    default = GraphSettings()
    retrievers: dict[str, BatchRetriever] = {
        "bm25": sparse,
        "dense": dense,
        "rrf": HybridRetriever(retrievers=[sparse, dense]),
    }
    without = {
        "all_less_facets": replace(default, has_facets=False),
        "all_less_entities": replace(default, entity_weight=0.0),
        "all_less_shared_links": replace(default, shared_weight=0.0),
        "all_less_chains": replace(default, chain_weight=0.0),
    }
    for stage, settings in without.items():
        retrievers[stage] = GraphRetriever(library=library, encoder=encoder, settings=settings)
    triples = data / test_set.name / "triples.jsonl"
    if triples.is_file():
        imported = ImportedExtractor(import_triples(triples, test_set.passages).extractions)
        retrievers["all_with_imported_triples"] = GraphRetriever(
            library=library, encoder=encoder, extractors=(imported,)
        )
    recalls = {stage: recall(test_set, found(retriever, test_set)) for stage, retriever in retrievers.items()}
    recalls["ppr"] = recall(test_set, ppr_found(test_set, full, encoder))
    recalls["all"] = recall(test_set, found(full, test_set))
    out = {stage: float(np.mean(values)) for stage, values in recalls.items()}
    out |= {"all_even": float(np.mean(recalls["all"][::2])), "all_odd": float(np.mean(recalls["all"][1::2]))}
    return out, ms_per_question(full, test_set.questions)


def found(retriever: BatchRetriever, test_set: TestSet) -> list[list[str]]:
    """The documents of each question's best passages."""
    rankings = retriever.search(test_set.questions, TOP_K)
    return [[scored.passage.doc_id for scored in ranking] for ranking in rankings]


def ppr_found(test_set: TestSet, retriever: GraphRetriever, encoder: Encoder) -> list[list[str]]:
    """The same by personalised PageRank from the question's entities and the dense scores."""
    matrices = GraphMatrices.of(retriever.graph, [passage.passage_id for passage in test_set.passages])
    transition = Transition.of(matrices.adjacency)
    _, vectors, _ = test_set.library.vectors()
    cosines = (encoder.encode(test_set.questions) @ vectors.T).astype(np.float64)
    out = []
    for question, row in zip(test_set.questions, cosines, strict=True):
        scores = ppr_scores(matrices, transition, row, seeds_by_name(matrices, question))
        out.append([test_set.passages[i].doc_id for i in np.argsort(-scores, kind="stable")[:TOP_K]])
    return out


def recall(test_set: TestSet, documents: Sequence[Sequence[str]]) -> list[float]:
    """Share of each question's gold documents that were found."""
    return [len(gold & set(doc_ids)) / len(gold) for gold, doc_ids in zip(test_set.gold, documents, strict=True)]


def filter_auc(test_set: TestSet, encoder: Encoder) -> dict[str, float]:
    """Area under the ROC curve for gold against other passages, among the ten best of either ranking, by score.

    How well a threshold on the score would filter: by cosine, the baseline, and by the graph retriever's score.
    """
    kinds = {"cosine": DenseRetriever, "graph": GraphRetriever}
    scores: dict[str, list[dict[str, float]]] = {}
    for kind, make in kinds.items():
        rankings = make(library=test_set.library, encoder=encoder).search(test_set.questions, len(test_set.passages))
        scores[kind] = [{scored.passage.doc_id: scored.score for scored in ranking} for ranking in rankings]
    out = {}
    for kind in kinds:
        gold: list[float] = []
        other: list[float] = []
        for question, wanted in enumerate(test_set.gold):
            retrieved = {doc_id for each in kinds for doc_id in list(scores[each][question])[:10]}
            for doc_id in sorted(retrieved):
                (gold if doc_id in wanted else other).append(scores[kind][question][doc_id])
        out[kind] = area_under_curve(gold, other)
    return out


def area_under_curve(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Probability that a positive scores above a negative, ties counted half."""
    below = np.searchsorted(np.sort(negative), positive, side="left")
    up_to = np.searchsorted(np.sort(negative), positive, side="right")
    return float((below + up_to).sum() / 2 / (len(positive) * len(negative)))


def ms_per_question(retriever: BatchRetriever, questions: Sequence[str]) -> float:
    """Median wall time of one question, the query's encoding included."""
    times = [seconds(lambda q=question: retriever.search([q], TOP_K)) for question in questions]  # type: ignore[misc]
    return round(1000 * float(np.median(times)), 2)


def walker_hits(data: Path, encoder: Encoder, is_quick: bool) -> tuple[float, int]:
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
    adjacency = GraphMatrices.of(graph).adjacency
    transition = Transition.of(adjacency)
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


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def rows(file: Path) -> list[Row]:
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def show(result: dict[str, Any]) -> None:
    """The figures as a table."""
    table = Table("figure", "hotpotqa", "musique", title=f"recall@{TOP_K} by stage, and more")
    for stage in dict.fromkeys([*result["hotpotqa"], *result["musique"]]):
        cells = [result[name].get(stage) for name in SETS]
        table.add_row(stage, *("" if cell is None else f"{cell:.3f}" for cell in cells))
    table.add_row("ms per question", *(str(result[f"{name}_ms_per_question"]) for name in SETS))
    for kind in ("cosine", "graph"):
        table.add_row(f"filter AUC, {kind}", *(f"{result['filter_auc'][name][kind]:.3f}" for name in SETS))
    table.add_section()
    for key, value in result.items():
        if not isinstance(value, dict) and not key.endswith("per_question"):
            table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
