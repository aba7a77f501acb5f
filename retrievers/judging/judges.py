"""Judges of passages: does one support an answer? Entail, contradict or neutral, with probabilities.

Two behind one contract. :class:`EncoderJudge` reads the candidates as one small graph: what one of
them leaves open, another may close, which no passage shows alone. :class:`ModelJudge` asks the generator and reads the
probabilities of its labels, one batched call for all passages.

Source: the module of Four-Module Synergy (Shi et al. 2024); evidence, prompt and weights ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from rag.core.encoding import Encoder, passage_text
from rag.core.errors import ModelError
from rag.core.passages import Passage
from rag.core.prompts import passage_block
from rag.core.query import Message
from rag.generation.base import Generator, Scorer
from retrievers.graph.facets import facets
from retrievers.graph.index import GraphIndex, Scores, stems
from retrievers.graph.rank import GraphSettings, rank

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")
_LABELS = ("yes", "no", "unknown")
_GRAPH = GraphSettings()
_NUM_SUPPORTING = 3


@dataclass(frozen=True)
class Verdict:
    """What a judge makes of one passage: probabilities that sum to 1."""

    entail: float
    neutral: float
    contradict: float = 0.0

    @property
    def label(self) -> str:
        """The likeliest of ``entail``, ``neutral`` and ``contradict``."""
        return max(("entail", "neutral", "contradict"), key=lambda name: getattr(self, name))


class Judge(Protocol):
    """Judges the passages of questions, all in one batch."""

    def judge(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[list[Verdict]]:
        """One verdict per passage, in order; a question's verdicts depend on its own passages alone."""
        ...

    def support(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[float]:
        """How well each question's passages, best first, answer it at all: 0 to 1, 0 without passages."""
        ...


@dataclass(frozen=True)
class EncoderWeights:
    """Logistic weights of the evidence; fitted on the even-numbered questions of three sets (docs/LOG.md)."""

    graph: float = 4.12
    sentence: float = 2.59
    bias: float = -4.07


class EncoderJudge:
    """Graph score among the candidates, and the share of the question's words that one sentence holds.

    It sees no contradiction: what does not support an answer is neutral.

    Args:
        encoder: for questions and their clauses.
        passage_vectors: ``[len(passages), D]`` unit vectors of passages; by default they are encoded.
        weights: of the evidence.
    """

    def __init__(
        self,
        encoder: Encoder,
        passage_vectors: Callable[[Sequence[Passage]], NDArray[np.float32]] | None = None,
        weights: EncoderWeights = EncoderWeights(),
    ) -> None:
        self._encoder = encoder
        self._passage_vectors = passage_vectors or self._encoded
        self._weights = weights
        self._extractor = NameExtractor()

    def judge(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[list[Verdict]]:
        """See :class:`Judge`; one encoder call for all questions."""
        if not questions:
            return []
        parts = [facets(question) for question in questions]
        vectors = self._encoder.encode([text for some in parts for text in some])
        ends = np.cumsum([len(some) for some in parts])[:-1]
        return [
            self._verdicts(question, own, some) if some else []
            for question, own, some in zip(questions, np.split(vectors, ends), passages, strict=True)
        ]

    def support(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[float]:
        """Cosine of each question and the nearest sentence of its three best passages; one encoder call.

        Whether anything answers is told best by this; whether a passage helps, by :meth:`evidence` (docs/LOG.md).
        """
        texts = [
            [f"{p.title}: {sentence}" for p in some[:_NUM_SUPPORTING] for sentence in sentences(p.text)]
            for some in passages
        ]
        vectors = self._encoder.encode([*questions, *(text for some in texts for text in some)])
        ends = np.cumsum([len(questions), *(len(some) for some in texts)])[:-1]
        asked, *held = np.split(vectors, ends) if questions else [vectors]
        return [max(float(np.max(own @ q)), 0.0) if len(own) else 0.0 for q, own in zip(asked, held, strict=True)]

    def evidence(self, question: str, asked: NDArray[np.float32], passages: Sequence[Passage]) -> tuple[Scores, Scores]:
        """Both parts of the evidence, ``[len(passages)]`` each: graph score, sentence coverage."""
        graph = KnowledgeGraph(self._extractor.extract(passages))
        index = GraphIndex.build(graph, passages, self._passage_vectors(passages))
        scores = rank(index, question, (asked @ index.vectors.T).astype(np.float64), _GRAPH).scores
        return scores, np.array([sentence_coverage(index, question, passage) for passage in passages])

    def _verdicts(self, question: str, asked: NDArray[np.float32], passages: Sequence[Passage]) -> list[Verdict]:
        graph, sentence = self.evidence(question, asked, passages)
        logits = self._weights.graph * graph + self._weights.sentence * sentence + self._weights.bias
        return [Verdict(entail, 1 - entail) for entail in (1 / (1 + math.exp(-float(x))) for x in logits)]

    def _encoded(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        return self._encoder.encode([passage_text(passage.title, passage.text) for passage in passages])


class ModelJudge:
    """Asks the generator whether a passage answers the question, and reads the labels' probabilities.

    Args:
        generator: encodes the prompts and, being a :class:`rag.generation.base.Scorer` too, scores the labels.

    Raises:
        ModelError: this generator scores no labels.
    """

    def __init__(self, generator: Generator) -> None:
        if not isinstance(generator, Scorer):
            raise ModelError(
                f"{type(generator).__name__} reads no label probabilities; use filter='encoder', or another generator"
            )
        self._generator = generator
        self._scorer: Scorer = generator

    def judge(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[list[Verdict]]:
        """See :class:`Judge`; one call for all passages. One too long for the window is judged by its beginning."""
        prompts = [
            self._prompt(question, passage)
            for question, some in zip(questions, passages, strict=True)
            for passage in some
        ]
        scores = iter(self._scorer.score(prompts, _LABELS) if prompts else ())
        verdicts = []
        for some in passages:
            of_question = []
            for _ in some:
                yes, no, unknown = next(scores)
                of_question.append(Verdict(entail=yes, contradict=no, neutral=unknown))
            verdicts.append(of_question)
        return verdicts

    def support(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[float]:
        """The best passage's probability to help."""
        judged = self.judge(questions, [some[:_NUM_SUPPORTING] for some in passages])
        return [max((verdict.entail for verdict in some), default=0.0) for some in judged]

    def _prompt(self, question: str, passage: Passage) -> tuple[int, ...]:
        text = passage_block(passage)
        while True:
            ids = self._generator.encode([Message("user", judge_prompt(question, text))])
            if len(ids) < self._generator.window or len(text) < 2:
                return ids
            text = text[: len(text) // 2]


def judge_prompt(question: str, text: str) -> str:
    """What the model judge asks."""
    return (
        f"{text}\n\nQuestion: {question}\nDoes the text above help to answer the question? Say yes if it does, "
        "no if it contradicts the question, unknown if it is about something else.\nReply with one word."
    )


def sentence_coverage(index: GraphIndex, question: str, passage: Passage) -> float:
    """Largest share of the question's content words, by rarity, that one sentence of a passage and its title hold."""
    wanted = set(stems(" ".join(question.split()[:256])))
    rare = float(np.log1p(len(index.passages)))
    weights = {w: float(index.word_weights[index.word_ids[w]]) if w in index.word_ids else rare for w in wanted}
    total = max(sum(weights.values()), 1e-12)
    title = set(stems(passage.title))
    held = ((title | set(stems(sentence))) & wanted for sentence in sentences(passage.text))
    return max((sum(weights[word] for word in sorted(words)) / total for words in held), default=0.0)


def sentences(text: str) -> list[str]:
    """A text cut after full stops, question and exclamation marks that a capital or a number follows."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]
