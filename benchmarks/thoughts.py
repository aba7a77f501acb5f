"""What a language model adds to a search: a thought before it, and notes between rounds. Experiments, not the product.

* A thought: the model answers without a document, and its sentence is searched for too. Source: HyDE (Gao et al. 2023),
  O1 Embedder (Yan et al. 2025).
* Notes: what the passages say is noted, and the question is searched for again with the note. A round is kept only if
  the verifier finds its note better; a failed round is the last one. Source: Adaptive-Note (Wang et al. 2024). The
  verifier is the encoder's judge, which reads a note as a passage. The model writes the note, or it is the nearest
  sentences.

Both at most three rounds. The encoder has a memory in all of it, so a round that changes little costs little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.sets import TestSet, recall
from eval.metrics.stats import paired_test
from rag.conflicts.reading.excerpts import cut_excerpts
from rag.core.encoding import Encoder
from rag.core.passages import Passage, ScoredPassage
from rag.core.prompts import passage_block
from rag.core.query import Message, Sampling
from rag.core.retrieval import Rewrite
from rag.generation.base import Generator, Request
from retrievers.depth import deepen
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import HybridRetriever
from retrievers.judging.encoder_judge import EncoderJudge
from retrievers.query.rewrite import fuse_rankings
from retrievers.sparse import SparseRetriever

TOP_K = 5
DEPTH = 40
MAX_ROUNDS = 3
_THOUGHT_TOKENS, _NOTE_TOKENS = 40, 48
# Of the passages' text, for a note.
_MODEL_SHARE, _SENTENCES_SHARE = 0.3, 0.08
_THINK = "Write one sentence that answers the question."
_NOTE = "Write down in one sentence what the texts say that helps to answer the question."
Ranking = Sequence[ScoredPassage]
WriteNote = Callable[[str, Ranking], str]


@dataclass
class Figures:
    """Recall of each way, and its seconds beyond the search that it begins with."""

    gold: Sequence[set[str]]
    documents: dict[str, list[list[str]]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, way: str, names: list[str], seconds: float = 0.0) -> None:
        """One question's best documents."""
        self.documents.setdefault(way, []).append(names)
        self.seconds.setdefault(way, []).append(seconds)

    def summary(self, bases: dict[str, str]) -> dict[str, Any]:
        """By way: recall, its paired difference from the way that it adds to, and the added milliseconds."""
        values = {way: recall(self.gold, documents) for way, documents in self.documents.items()}
        result = {}
        for way, row in values.items():
            interval = paired_test(values[bases.get(way, way)], row).interval
            result[way] = {
                "all": round(float(np.mean(row)), 4),
                "difference": [round(value, 3) for value in (interval.value, interval.low, interval.high)],
                "added_ms": round(1000 * float(np.median(self.seconds[way])), 1),
            }
        return result


def thought_figures(test_set: TestSet, encoder: Encoder, generator: Generator) -> dict[str, Any]:
    """Dense and hybrid search with a thought and without."""
    hybrid = build_hybrid(test_set, encoder)
    _, vectors, _ = test_set.library.vectors()
    figures = Figures(test_set.gold)
    for question in test_set.questions:
        started = time.perf_counter()
        thought = say(generator, f"{_THINK}\n\nQuestion: {question}\nAnswer:", _THOUGHT_TOKENS)
        seconds = time.perf_counter() - started
        asked, thinking = encoder.encode([question, thought or question])
        for way, vector in {"dense": asked, "thought alone": thinking, "dense + thought": asked + thinking}.items():
            order = np.argsort(-(vectors @ vector), kind="stable")[:TOP_K]
            figures.add(way, [test_set.passages[row].doc_id for row in order], 0.0 if way == "dense" else seconds)
        first, second = hybrid.search([question, thought or question], DEPTH)
        figures.add("hybrid", best(first))
        fused = fuse_rankings(Rewrite(question, (question, thought)), [first, second], TOP_K)
        figures.add("hybrid + thought", best(fused), seconds)
        figures.add("hybrid of question and thought", best(hybrid.search([f"{question} {thought}"], TOP_K)[0]), seconds)
    bases = {"thought alone": "dense", "dense + thought": "dense", "hybrid + thought": "hybrid"}
    return figures.summary(bases | {"hybrid of question and thought": "hybrid"})


def notes_figures(test_set: TestSet, encoder: Encoder, generator: Generator | None = None) -> dict[str, Any]:
    """Rounds with notes, kept by the verifier or always, beside the rounds of the product.

    Args:
        test_set: passages and questions.
        encoder: with a memory.
        generator: writes the notes; without one they are the nearest sentences.
    """
    hybrid = build_hybrid(test_set, encoder)
    judge = EncoderJudge(encoder)

    def write(question: str, ranking: Ranking) -> str:
        if generator is None:
            return note_by_sentences(question, ranking, encoder)
        return note_by_model(question, ranking, encoder, generator)

    figures = Figures(test_set.gold)
    bases = {}
    for question in test_set.questions:
        first = hybrid.search([question], DEPTH)[0]
        figures.add("one round", best(first))
        started = time.perf_counter()
        rounds = deepen(question, first, encoder, MAX_ROUNDS).ranking
        figures.add("rounds by sub-questions", best(rounds), time.perf_counter() - started)
        for verifier in (judge, None):
            way = f"notes, {'kept if better' if verifier else 'always kept'}"
            bases[way] = "one round"
            started = time.perf_counter()
            ranking = with_notes(question, first, hybrid, write, verifier)
            figures.add(way, best(ranking), time.perf_counter() - started)
    return figures.summary(bases | {"rounds by sub-questions": "one round"})


def with_notes(
    question: str, first: Ranking, hybrid: HybridRetriever, write: WriteNote, judge: EncoderJudge | None
) -> Ranking:
    """The ranking after up to three rounds; without a judge every round is kept."""
    ranking, note = first, write(question, first)
    for _ in range(MAX_ROUNDS - 1):
        following = hybrid.search([f"{question} {note}"], DEPTH)[0]
        new = add_rankings(ranking, following)
        new_note = write(question, new)
        if judge is not None and not is_better(question, new_note, note, judge):
            break
        ranking, note = new, new_note
    return ranking


def is_better(question: str, new: str, former: str, judge: EncoderJudge) -> bool:
    """Whether the judge finds that a note supports an answer more than the former one."""
    notes = [Passage(f"{row}:0", f"{row}", "", "", text) for row, text in enumerate((new, former))]
    first, second = judge.judge([question, question], [[note] for note in notes])
    return first[0].entail > second[0].entail


def add_rankings(one: Ranking, other: Ranking) -> list[ScoredPassage]:
    """The sum of two rankings, each divided by its best score."""
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for ranking in (one, other):
        for item in ranking:
            name = item.passage.passage_id
            passages[name] = item.passage
            scores[name] = scores.get(name, 0.0) + item.score / max(ranking[0].score, 1e-12)
    return [ScoredPassage(passages[name], scores[name]) for name in sorted(scores, key=lambda n: (-scores[n], n))]


def note_by_sentences(question: str, ranking: Ranking, encoder: Encoder) -> str:
    """The sentences of the best passages that are nearest to the question, each passage's nearest at least."""
    passages = [item.passage for item in ranking[:TOP_K]]
    (excerpts,) = cut_excerpts([question], [passages], [_SENTENCES_SHARE], encoder)
    return " ".join(excerpt.text for excerpt in excerpts[:2])


def note_by_model(question: str, ranking: Ranking, encoder: Encoder, generator: Generator) -> str:
    """What the model writes down of the best passages' excerpts."""
    passages = [item.passage for item in ranking[:TOP_K]]
    (excerpts,) = cut_excerpts([question], [passages], [_MODEL_SHARE], encoder)
    blocks = [passage_block(excerpt) for excerpt in reversed(excerpts)]
    return say(generator, "\n\n".join([_NOTE, *blocks, f"Question: {question}\nNote:"]), _NOTE_TOKENS)


def say(generator: Generator, prompt: str, max_tokens: int) -> str:
    """One greedy reply on one line."""
    ids = generator.encode([Message("user", prompt)])
    sampling = Sampling(max_tokens=max_tokens, stop=generator.default_stop)
    return " ".join(generator.generate([Request.single(ids, sampling)])[0].text.split())


def build_hybrid(test_set: TestSet, encoder: Encoder) -> HybridRetriever:
    """The product's default retriever."""
    graph = GraphRetriever(library=test_set.library, encoder=encoder)
    return HybridRetriever(graph=graph, sparse=SparseRetriever(library=test_set.library))


def best(ranking: Ranking) -> list[str]:
    """The documents of the first passages."""
    return [item.passage.doc_id for item in ranking[:TOP_K]]
