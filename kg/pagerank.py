"""Personalised PageRank by sparse matrix products.

Part of a published baseline (:mod:`retrievers.graph.ppr`) that the benchmarks compare with; the engine does not use it.

Shapes: N nodes, B seed vectors answered together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix, diags

from rag.core.errors import SettingError

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Transition:
    """The transition matrix of a graph; built once, used for every query.

    Attributes:
        pull: ``[N, N]``, column-stochastic: ``pull @ x`` is one step of all walkers.
        is_dangling: ``[N]``, nodes without an outgoing edge.
    """

    pull: csr_matrix
    is_dangling: NDArray[np.bool_]

    @classmethod
    def from_adjacency(cls, adjacency: csr_matrix) -> Transition:
        """Build it from ``[N, N]`` weights, 0 or more, from row to column.

        Raises:
            SettingError: the matrix is not square, or a weight is negative or not finite.
        """
        if adjacency.shape[0] != adjacency.shape[1]:
            raise SettingError(f"adjacency of shape {adjacency.shape}: expected a square matrix")
        if not np.isfinite(adjacency.data).all() or (adjacency.data < 0).any():
            raise SettingError("adjacency contains a negative or non-finite weight: expected 0 or more")
        out = np.asarray(adjacency.sum(axis=1), dtype=np.float64).ravel()
        inverse = np.divide(1.0, out, out=np.zeros_like(out), where=out > 0)
        return cls((diags(inverse) @ adjacency).T.tocsr(), out == 0)


def personalised_pagerank(
    transition: Transition, seeds: ArrayLike, damping: float = 0.5, tolerance: float = 1e-8, max_steps: int = 200
) -> Scores:
    """Stationary distribution of walkers that restart at ``seeds`` with probability ``1 - damping`` at every step.

    Walkers at a dangling node restart. All-zero seeds mean a uniform restart.

    Args:
        transition: of the graph.
        seeds: ``[N]`` or ``[N, B]`` weights, 0 or more.
        damping: 0 to below 1; HippoRAG 2 walks short paths with 0.5.
        tolerance: stop when no vector moves by more than this, L1. The error left is at most
            ``damping / (1 - damping)`` times as large.
        max_steps: limit of steps; ``log(tolerance) / log(damping)`` are enough.

    Returns:
        Probabilities of the shape of ``seeds``; each column sums to 1.

    Raises:
        SettingError: ``damping`` outside [0, 1), seeds of the wrong length, or a negative or non-finite seed.

    Source: Page, Brin et al. 1999; Haveliwala 2002 (topic-sensitive restart).
    """
    if not 0 <= damping < 1:
        raise SettingError(f"damping={damping}: expected a number of at least 0 and below 1")
    restart = _restart(np.asarray(seeds, dtype=np.float64), transition.pull.shape[0])
    rank = restart
    for _ in range(max_steps):
        lost = rank[transition.is_dangling].sum(axis=0)
        step = damping * (transition.pull @ rank + restart * lost) + (1 - damping) * restart
        moved = np.abs(step - rank).sum(axis=0)
        rank = step
        if not moved.size or moved.max() <= tolerance:
            break
    return rank


def _restart(seeds: Scores, num_nodes: int) -> Scores:
    if seeds.ndim not in (1, 2) or seeds.shape[0] != num_nodes:
        raise SettingError(f"seeds of shape {seeds.shape} for {num_nodes} nodes: expected one weight per node")
    if not np.isfinite(seeds).all() or (seeds < 0).any():
        raise SettingError("a seed is negative or not finite: expected finite seeds of 0 or more")
    if not num_nodes:
        return seeds
    total = seeds.sum(axis=0)
    uniform = np.full(seeds.shape, 1 / num_nodes)
    scaled: Scores = np.where(total > 0, seeds / np.where(total > 0, total, 1), uniform)
    return scaled
