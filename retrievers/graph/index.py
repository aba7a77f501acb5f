"""The index of the graph retriever: the graph as matrices, and the words of each passage.

Shapes: P passages, E entities, V word stems, D vector length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, vstack

from kg.graph import KnowledgeGraph
from kg.matrices import GraphMatrices
from kg.stems import stems
from rag.core.passages import Passage

Scores = NDArray[np.float64]
# Long questions are cut: the first words say what is asked, and the work grows with their number.
MAX_QUESTION_WORDS = 256


@runtime_checkable
class LatePassages(Protocol):
    """Passages that are read when they are looked at."""

    def present(self, rows: Sequence[int]) -> list[int]:
        """Those of ``rows`` that the library still has."""
        ...


@dataclass(frozen=True)
class GraphIndex:
    """An immutable snapshot of passages, their vectors and the graph over them.

    Attributes:
        passages: the P passages; every array here has its rows in this order.
        vectors: ``[P, D]`` unit vectors.
        matrices: the graph.
        words: ``[P, V]``, 1 where the passage contains the stem.
        word_ids: column of each stem.
        word_weights: ``[V]``, inverse document frequency.
        row_ids: ``[P]``, ids of the passages in their library.
    """

    passages: Sequence[Passage]
    vectors: NDArray[np.float32]
    matrices: GraphMatrices
    words: csc_matrix
    word_ids: dict[str, int]
    word_weights: Scores
    row_ids: NDArray[np.int64]

    @classmethod
    def build(
        cls,
        graph: KnowledgeGraph,
        passages: Sequence[Passage],
        vectors: NDArray[np.float32],
        former: GraphIndex | None = None,
        is_kept: NDArray[np.bool_] | None = None,
        row_ids: NDArray[np.int64] | None = None,
    ) -> GraphIndex:
        """Index ``passages``; those that are not in the graph are ranked by their vectors alone.

        Args:
            graph: the graph over the passages.
            passages: P of them.
            vectors: ``[P, D]``.
            former: an earlier index whose rows are reused.
            is_kept: mask of the rows of ``former`` to reuse; ``passages`` begins with them.
            row_ids: ``[P]``; by default 0 to P - 1.
        """
        word_ids = {} if former is None else dict(former.word_ids)
        old = csr_matrix((0, 0)) if former is None else former.words.tocsr()[is_kept]
        new = _word_rows(passages[old.shape[0] :], word_ids)
        old.resize((old.shape[0], len(word_ids)))
        words = vstack([old, new], format="csc")
        weights = np.log1p(len(passages) / (1 + np.diff(words.indptr)))
        names = [passage.passage_id for passage in passages]
        matrices = GraphMatrices.from_graph(graph, names, None if former is None else former.matrices, is_kept)
        ids = np.arange(len(passages)) if row_ids is None else row_ids
        return cls(tuple(passages), vectors, matrices, words, word_ids, weights, ids)

    @cached_property
    def rows_by_id(self) -> dict[int, int]:
        """Row of each passage, by its id in the library."""
        return {row_id: row for row, row_id in enumerate(self.row_ids.tolist())}

    def present(self, rows: Sequence[int]) -> Sequence[int]:
        """Those of ``rows`` whose passages can be read; a neighbourhood reads them late."""
        return self.passages.present(rows) if isinstance(self.passages, LatePassages) else rows

    def coverage(self, question: str) -> tuple[Scores, Scores]:
        """Content words of the question in each passage, ``[P, W]`` of 0 and 1, and their weights ``[W]``.

        The weights are shares of the whole question. Words that no passage contains are not in W but keep their share.
        """
        question_stems = list(dict.fromkeys(stems(" ".join(question.split()[:MAX_QUESTION_WORDS]))))
        known = [stem for stem in question_stems if stem in self.word_ids]
        columns = [self.word_ids[stem] for stem in known]
        unknown = (len(question_stems) - len(known)) * float(np.log1p(self.matrices.num_passages))
        weights = self.word_weights[columns]
        total = max(float(weights.sum()) + unknown, 1e-12)
        return self.words[:, columns].toarray(), weights / total


def _word_rows(passages: Sequence[Passage], word_ids: dict[str, int]) -> csr_matrix:
    """``[len(passages), V]`` of ones. Adds new stems to ``word_ids``."""
    columns: list[int] = []
    ends = [0]
    for passage in passages:
        passage_stems = dict.fromkeys(stems(f"{passage.title} {passage.text}"))
        columns += [word_ids.setdefault(stem, len(word_ids)) for stem in passage_stems]
        ends.append(len(columns))
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(passages), len(word_ids)))
