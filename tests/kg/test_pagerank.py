"""Oracle: networkx's PageRank. Value, property and bad input."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix

from kg.pagerank import Transition, personalised_pagerank
from rag.core.errors import SettingError

SIZES = st.integers(1, 8)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A weighted directed graph, dangling nodes and self loops included, and seeds that are not all zero."""
    n = draw(SIZES)
    weights = draw(hnp.arrays(np.float64, (n, n), elements=st.sampled_from([0.0, 0.0, 1.0, 2.5])))
    seeds = draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0, 3.0])))
    seeds[draw(st.integers(0, n - 1))] = 1.0
    return weights, seeds


@given(graphs(), st.sampled_from([0.0, 0.5, 0.85]))
def test_agrees_with_networkx(graph: tuple[np.ndarray, np.ndarray], damping: float) -> None:
    weights, seeds = graph
    ours = personalised_pagerank(Transition.from_adjacency(csr_matrix(weights)), seeds, damping, tolerance=1e-12)
    peer = nx.from_numpy_array(weights, create_using=nx.DiGraph)
    theirs = nx.pagerank(peer, alpha=damping, personalization=dict(enumerate(seeds.tolist())), tol=1e-13, max_iter=1000)
    assert ours == pytest.approx([theirs[i] for i in range(len(seeds))], abs=1e-6)


@given(graphs(), graphs())
def test_batched_seeds_are_answered_as_if_alone(
    graph: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> None:
    weights, first = graph
    second = np.resize(other[1], first.shape)
    transition = Transition.from_adjacency(csr_matrix(weights))
    both = personalised_pagerank(transition, np.stack([first, second], axis=1), tolerance=1e-12)
    for column, seeds in enumerate((first, second)):
        assert both[:, column] == pytest.approx(personalised_pagerank(transition, seeds, tolerance=1e-12), abs=1e-9)
    assert both.sum(axis=0) == pytest.approx([1.0, 1.0])


def test_two_nodes_by_hand() -> None:
    # x = (1 - d) + d y and y = d x for d = 1/2: x = 2/3, y = 1/3.
    transition = Transition.from_adjacency(csr_matrix(np.array([[0.0, 1.0], [1.0, 0.0]])))
    assert personalised_pagerank(transition, [1, 0]) == pytest.approx([2 / 3, 1 / 3], abs=1e-7)


def test_no_seeds_mean_a_uniform_restart_and_no_nodes_an_empty_answer() -> None:
    transition = Transition.from_adjacency(csr_matrix((2, 2)))
    assert personalised_pagerank(transition, [0, 0]) == pytest.approx([0.5, 0.5])
    assert personalised_pagerank(Transition.from_adjacency(csr_matrix((0, 0))), []).size == 0


@pytest.mark.parametrize(
    ("seeds", "damping", "message"),
    [([1, 0], 1.0, "damping"), ([1], 0.5, "shape"), ([-1, 1], 0.5, "negative"), ([np.nan, 1], 0.5, "negative")],
)
def test_bad_input_is_named(seeds: list[float], damping: float, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        personalised_pagerank(Transition.from_adjacency(csr_matrix(np.eye(2))), seeds, damping)


@pytest.mark.parametrize("weights", [np.ones((2, 3)), -np.ones((2, 2)), np.full((2, 2), np.inf)])
def test_bad_graphs_are_named(weights: np.ndarray) -> None:
    with pytest.raises(SettingError):
        Transition.from_adjacency(csr_matrix(weights))
