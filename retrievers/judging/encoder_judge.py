"""Judge passages by the encoder: the candidates are one small graph, since one may answer what another leaves open."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from kg.stems import stems
from rag.core.encoding import Encoder, passage_text
from rag.core.passages import Passage
from rag.core.scripts import IS_CASELESS
from rag.core.sentences import sentence_spans
from retrievers.graph.facets import facets
from retrievers.graph.index import GraphIndex, Scores
from retrievers.graph.rank import GraphSettings, rank
from retrievers.judging.base import NUM_SUPPORTING, Verdict

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")
_GRAPH = GraphSettings()


@dataclass(frozen=True)
class EncoderWeights:
    """Logistic weights of the evidence; fitted on the even-numbered questions of three sets (docs/LOG.md)."""

    graph: float = 4.12
    sentence: float = 2.59
    bias: float = -4.07


class EncoderJudge:
    """Judges by the graph score among the candidates and the share of the question's words in one sentence.

    It does not detect contradictions: a passage that does not support an answer is neutral.

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
        """See :class:`retrievers.judging.base.Judge`; one encoder call for all questions."""
        if not questions:
            return []
        clauses = [facets(question) for question in questions]
        vectors = self._encoder.encode([text for texts in clauses for text in texts])
        ends = np.cumsum([len(texts) for texts in clauses])[:-1]
        return [
            self._verdicts(question, clause_vectors, candidates) if candidates else []
            for question, clause_vectors, candidates in zip(questions, np.split(vectors, ends), passages, strict=True)
        ]

    def support(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[float]:
        """Cosine of each question and the nearest sentence of its three best passages; one encoder call.

        It tells best whether any passage answers; :meth:`evidence` tells best whether one passage helps (docs/LOG.md).
        """
        texts = [
            [f"{p.title}: {sentence}" for p in candidates[:NUM_SUPPORTING] for sentence in sentences(p.text)]
            for candidates in passages
        ]
        vectors = self._encoder.encode([*questions, *(sentence for row in texts for sentence in row)])
        ends = np.cumsum([len(questions), *(len(row) for row in texts)])[:-1]
        asked, *by_question = np.split(vectors, ends) if questions else [vectors]
        return [
            max(float(np.max(rows @ question)), 0.0) if len(rows) else 0.0
            for question, rows in zip(asked, by_question, strict=True)
        ]

    def evidence(self, question: str, asked: NDArray[np.float32], passages: Sequence[Passage]) -> tuple[Scores, Scores]:
        """Both parts of the evidence, ``[len(passages)]`` each: graph score and sentence coverage."""
        graph = KnowledgeGraph(self._extractor.extract(passages))
        index = GraphIndex.build(graph, passages, self._passage_vectors(passages))
        scores = rank(index, question, (asked @ index.vectors.T).astype(np.float64), _GRAPH).scores
        return scores, np.array([sentence_coverage(index, question, passage) for passage in passages])

    def _verdicts(self, question: str, asked: NDArray[np.float32], passages: Sequence[Passage]) -> list[Verdict]:
        graph, sentence = self.evidence(question, asked, passages)
        logits = self._weights.graph * graph + self._weights.sentence * sentence + self._weights.bias
        return [Verdict(entail, 1 - entail) for entail in (1 / (1 + math.exp(-float(x))) for x in logits)]

    def _encoded(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        return self._encoder.encode(
            [passage_text(passage.title, passage.text, passage.heading) for passage in passages]
        )


def sentence_coverage(index: GraphIndex, question: str, passage: Passage) -> float:
    """Largest share of the question's content words, weighted by rarity, in one sentence plus the title."""
    asked = set(stems(" ".join(question.split()[:256])))
    rare = float(np.log1p(len(index.passages)))
    weights = {w: float(index.word_weights[index.word_ids[w]]) if w in index.word_ids else rare for w in asked}
    total = max(sum(weights.values()), 1e-12)
    title = set(stems(passage.title))
    in_sentences = ((title | set(stems(sentence))) & asked for sentence in sentences(passage.text))
    return max((sum(weights[word] for word in sorted(words)) / total for words in in_sentences), default=0.0)


def sentences(text: str) -> list[str]:
    """Split a text after full stops, question marks and exclamation marks before a capital or a number.

    Scripts without capitals follow :mod:`rag.core.sentences`.
    """
    if IS_CASELESS.search(text):
        return [text[start:end] for start, end in sentence_spans(text)]
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]
