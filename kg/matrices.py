"""The graph as sparse matrices, for ranking.

Shapes: P passages, E entities, N = P + E nodes (passages first).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import bmat, csr_matrix, vstack

from kg.graph import KnowledgeGraph


@dataclass(frozen=True)
class GraphMatrices:
    """An immutable snapshot of a graph.

    Attributes:
        passage_ids: the P rows.
        entity_ids: row of each entity, 0 to E - 1.
        mentions: ``[P, E]``, 1 where the passage's text names the entity.
        titles: ``[P, E]``, 1 where the passage is about the entity by its title.
        relations: ``[E, E]``, number of claims from subject to object.
    """

    passage_ids: tuple[str, ...]
    entity_ids: dict[str, int]
    mentions: csr_matrix
    titles: csr_matrix
    relations: csr_matrix

    @classmethod
    def from_graph(
        cls,
        graph: KnowledgeGraph,
        passage_ids: Sequence[str] | None = None,
        former: GraphMatrices | None = None,
        is_kept: NDArray[np.bool_] | None = None,
    ) -> GraphMatrices:
        """The matrices of ``graph``, rows in the order of ``passage_ids`` (default: the order of adding).

        Args:
            graph: contains the passages.
            passage_ids: the P rows.
            former: an earlier snapshot of the same graph, whose rows are reused.
            is_kept: mask of the rows of ``former`` to reuse; ``passage_ids`` begins with them.
        """
        ids = tuple(graph.passage_ids if passage_ids is None else passage_ids)
        empty = csr_matrix((0, 0))
        old = (empty, empty) if former is None else (former.mentions[is_kept], former.titles[is_kept])
        entity_ids = {} if former is None else dict(former.entity_ids)
        cells = (array("q"), array("q"))  # row, column, row, column ...: there are millions
        for row, passage_id in enumerate(ids[old[0].shape[0] :]):
            for name, is_title in graph.named_in(passage_id):
                cells[is_title].extend((row, entity_ids.setdefault(name, len(entity_ids))))
        claims = array("q")
        for subject, _, target in graph.claims:
            claims.extend(entity_ids.setdefault(name, len(entity_ids)) for name in (subject, target))
        shape = (len(ids) - old[0].shape[0], len(entity_ids))
        mentions, titles = (_stack(rows, _ones(new, shape)) for rows, new in zip(old, cells, strict=True))
        relations = _counts(claims, (len(entity_ids), len(entity_ids)))
        matrices = cls(ids, entity_ids, mentions, titles, relations)
        return matrices if former is None else matrices._without_unused()

    def _without_unused(self) -> GraphMatrices:
        """Without entities that nothing names any more; they would still count among those of a question."""
        related = self.relations.sum(axis=0).A1 + self.relations.sum(axis=1).A1
        columns = np.flatnonzero(self.passage_counts + related)
        if len(columns) == len(self.entity_ids):
            return self
        names = self.entities
        return GraphMatrices(
            self.passage_ids,
            {names[column]: i for i, column in enumerate(columns.tolist())},
            self.mentions[:, columns],
            self.titles[:, columns],
            self.relations[columns][:, columns],
        )

    @cached_property
    def named(self) -> csr_matrix:
        """``[P, E]``, 1 where the passage names the entity, in its text or its title."""
        return _binary(self.mentions + self.titles)

    @cached_property
    def naming(self) -> csr_matrix:
        """``[E, P]``, the transpose of :attr:`named`, stored by row for access by entity."""
        return self.named.T.tocsr()

    @cached_property
    def titled(self) -> csr_matrix:
        """``[E, P]``, the transpose of :attr:`titles`, stored by row for access by entity."""
        return self.titles.T.tocsr()

    @cached_property
    def entities(self) -> tuple[str, ...]:
        """The E names, by row."""
        return tuple(self.entity_ids)

    @property
    def num_passages(self) -> int:
        """Passages that the graph is over."""
        return len(self.passage_ids)

    @cached_property
    def passage_counts(self) -> NDArray[np.float64]:
        """``[E]``, number of passages that name each entity."""
        return np.asarray(self.named.sum(axis=0), dtype=np.float64).ravel()

    @cached_property
    def specificity(self) -> NDArray[np.float64]:
        """``[E]``, inverse document frequency scaled so that an entity in one passage has 1."""
        size = self.num_passages
        scaled: NDArray[np.float64] = np.log1p(size / np.maximum(self.passage_counts, 1)) / np.log1p(max(size, 1))
        return scaled

    @cached_property
    def adjacency(self) -> csr_matrix:
        """``[N, N]`` symmetric: containment between passages and entities, claims between entities."""
        claims = self.relations + self.relations.T
        return (
            bmat([[None, self.named], [self.named.T, claims]], format="csr") if claims.shape[0] else csr_matrix((0, 0))
        )

    def names(self, columns: Sequence[int], row: int) -> list[str]:
        """Names of entities that the passage at ``row`` names."""
        return [self.entities[column] for column in columns]

    def linked(self, names: Iterable[str]) -> list[int]:
        """Entity ids of the names that are in the graph, in order, without repetitions."""
        return list(dict.fromkeys(self.entity_ids[name] for name in names if name in self.entity_ids))


def _stack(upper: csr_matrix, lower: csr_matrix) -> csr_matrix:
    """The rows of both; ``upper`` may have fewer columns."""
    upper.resize((upper.shape[0], lower.shape[1]))
    return vstack([upper, lower], format="csr")


def _ones(cells: array[int], shape: tuple[int, int]) -> csr_matrix:
    return _binary(_counts(cells, shape))


def _counts(cells: array[int], shape: tuple[int, int]) -> csr_matrix:
    index = np.array(cells, dtype=np.int64).reshape(-1, 2)
    return csr_matrix((np.ones(len(index)), (index[:, 0], index[:, 1])), shape=shape)


def _binary(matrix: csr_matrix) -> csr_matrix:
    out = matrix.tocsr()
    out.data[:] = 1.0
    return out
