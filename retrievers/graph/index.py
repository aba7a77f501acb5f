"""What the graph retriever looks things up in: the graph's matrices, and which words each passage holds.

Shapes: P passages, E entities, V word stems, D vector length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, vstack

from kg.graph import KnowledgeGraph
from kg.matrices import GraphMatrices
from kg.names import FUNCTION_WORDS, canonical
from rag.core.passages import Passage

Scores = NDArray[np.float64]
# A question of thousands of words is cut: its first words carry it, and work grows with the words.
MAX_QUESTION_WORDS = 256
_SUFFIX = re.compile(r"(?:ing|edly|ed|es|s|ly|e)$")
_MIN_STEM = 3


@dataclass(frozen=True)
class GraphIndex:
    """Passages, their vectors and the graph over them, frozen.

    Attributes:
        passages: the P passages, in the order of all rows here.
        vectors: ``[P, D]`` unit vectors.
        matrices: the graph.
        words: ``[P, V]``, 1 where the passage holds the stem.
        word_ids: column of each stem.
        word_weights: ``[V]``, inverse document frequency.
    """

    passages: tuple[Passage, ...]
    vectors: NDArray[np.float32]
    matrices: GraphMatrices
    words: csc_matrix
    word_ids: dict[str, int]
    word_weights: Scores

    @classmethod
    def build(
        cls,
        graph: KnowledgeGraph,
        passages: Sequence[Passage],
        vectors: NDArray[np.float32],
        former: GraphIndex | None = None,
        is_kept: NDArray[np.bool_] | None = None,
    ) -> GraphIndex:
        """Index ``passages``; those that the graph does not know are ranked by their vectors alone.

        Args:
            graph: knows the passages.
            passages: P of them.
            vectors: ``[P, D]``.
            former: an index whose rows are taken over instead of being read again.
            is_kept: rows of ``former`` that ``passages`` begins with.
        """
        word_ids = {} if former is None else dict(former.word_ids)
        old = csr_matrix((0, 0)) if former is None else former.words.tocsr()[is_kept]
        new = _word_rows(passages[old.shape[0] :], word_ids)
        old.resize((old.shape[0], len(word_ids)))
        words = vstack([old, new], format="csc")
        weights = np.log1p(len(passages) / (1 + np.diff(words.indptr)))
        names = [passage.passage_id for passage in passages]
        matrices = GraphMatrices.from_graph(graph, names, None if former is None else former.matrices, is_kept)
        return cls(tuple(passages), vectors, matrices, words, word_ids, weights)

    @cached_property
    def rows_by_passage_id(self) -> dict[str, int]:
        """Row of each passage, by passage_id."""
        return {passage.passage_id: row for row, passage in enumerate(self.passages)}

    def coverage(self, question: str) -> tuple[Scores, Scores]:
        """Which of the question's content words each passage holds: ``[P, W]`` of 0 and 1, and their shares ``[W]``.

        Words that no passage holds keep their share of the weight: they are covered by none.
        """
        wanted = list(dict.fromkeys(stems(" ".join(question.split()[:MAX_QUESTION_WORDS]))))
        known = [stem for stem in wanted if stem in self.word_ids]
        columns = [self.word_ids[stem] for stem in known]
        unknown = (len(wanted) - len(known)) * float(np.log1p(len(self.passages)))
        weights = self.word_weights[columns]
        total = max(float(weights.sum()) + unknown, 1e-12)
        return self.words[:, columns].toarray(), weights / total


def _word_rows(passages: Sequence[Passage], word_ids: dict[str, int]) -> csr_matrix:
    """``[len(passages), V]`` of ones; stems that ``word_ids`` lacks are added to it."""
    columns: list[int] = []
    ends = [0]
    for passage in passages:
        found = dict.fromkeys(stems(f"{passage.title} {passage.text}"))
        columns += [word_ids.setdefault(stem, len(word_ids)) for stem in found]
        ends.append(len(columns))
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(passages), len(word_ids)))


def stems(text: str) -> list[str]:
    """Content words with their English inflections cut off."""
    return [stem(word) for word in canonical(text).split() if word not in FUNCTION_WORDS]


def stem(word: str) -> str:
    """A word without its English inflection."""
    cut = _SUFFIX.sub("", word)
    return cut if len(cut) >= _MIN_STEM else word
