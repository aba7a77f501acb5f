"""The ranking: by hand, against a slow twin, and without anything to link."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from kg.stems import stems
from rag.core.errors import SettingError
from rag.core.passages import Passage
from retrievers.graph.index import GraphIndex
from retrievers.graph.rank import GraphSettings, best_chains, common_entity, entity_overlap, links, rank

MILL = "The mill was built by Ada Penrose."
ADA = "Ada Penrose was born in a lighthouse."
NOISE = "Berta Quill liked her garden."


def build_index(*pages: tuple[str, str]) -> GraphIndex:
    passages = [Passage(f"d{i}:0", f"d{i}", f"d{i}", title, text) for i, (title, text) in enumerate(pages)]
    graph = KnowledgeGraph(NameExtractor().extract(passages))
    return GraphIndex.build(graph, passages, np.zeros((len(passages), 2), dtype=np.float32))


def test_the_second_hop_overtakes_a_passage_that_looks_more_alike() -> None:
    index = build_index(("Tide mill", MILL), ("Ada Penrose", ADA), ("Berta Quill", NOISE))
    question = "Where was the builder of the tide mill born?"
    ranking = rank(index, question, np.array([[0.8, 0.2, 0.3]]), GraphSettings())
    assert np.argsort(-ranking.scores).tolist() == [0, 1, 2]
    assert ranking.via.tolist()[1:] == [0, -1]
    assert common_entity(index, 0, 1) == "ada penrose"
    assert ranking.scores == pytest.approx(ranking.similarity + ranking.entities + ranking.chains)


def test_a_link_that_completes_more_is_worth_more() -> None:
    index = build_index(("Tide mill", MILL), ("Ada Penrose", ADA), ("Ada Penrose", "Ada Penrose was tall."))
    coverage = index.coverage("Where was the builder of the mill born?")
    chains, _ = best_chains(index, coverage, np.array([1.0, 0, 0]), GraphSettings())
    assert chains[1] > chains[2] > 0


def test_covered_by_hand() -> None:
    """Two stems of the question are in one passage each, and weigh the same; the third is nowhere."""
    index = build_index(("", "mills grind"), ("", "bells ring"))
    known, unknown = np.log1p(2 / 2), np.log1p(2)
    cosines = np.zeros((1, 2))
    assert rank(index, "the grinding mills", cosines, GraphSettings()).covered == pytest.approx(1.0)
    assert rank(index, "ringing mills", cosines, GraphSettings()).covered == pytest.approx(0.5)
    ranking = rank(index, "ringing mills swim", cosines, GraphSettings())
    assert ranking.covered == pytest.approx(known / (2 * known + unknown))
    assert rank(index, "what is it", cosines, GraphSettings()).covered == 0.0


def test_without_links_the_order_is_the_dense_one() -> None:
    index = build_index(("one", "nothing here"), ("two", "nor there"))
    cosines = np.array([[0.1, 0.2], [0.9, 0.0]])
    ranking = rank(index, "what now?", cosines, GraphSettings())
    assert ranking.scores.tolist() == [0.1, 0.2]


def test_entity_overlap_by_hand() -> None:
    index = build_index(("Tide mill", MILL), ("Ada Penrose", ADA), ("Berta Quill", NOISE))
    overlap = entity_overlap(index, "Did Berta Quill swim?")
    assert overlap.tolist() == pytest.approx([0.0, 0.0, 2.0])
    assert entity_overlap(index, "Did anyone swim?").tolist() == [0.0, 0.0, 0.0]


WORDS = st.sampled_from(["Ada", "Ben", "Cora", "mill", "built", "was", "born", "tower"])
PAGES = st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=6).map(" ".join)), min_size=1, max_size=5)


@given(PAGES, st.lists(WORDS, max_size=5).map(" ".join), st.integers(1, 4))
def test_chains_agree_with_a_slow_twin(pages: list[tuple[str, str]], question: str, num_seeds: int) -> None:
    index, settings = build_index(*pages), GraphSettings(num_seeds=num_seeds)
    local = np.linspace(1.0, 0.0, len(pages))
    chains, via = best_chains(index, index.coverage(question), local, settings)
    expected = slow_chains(index, pages, question, local, settings)
    assert chains == pytest.approx(expected)
    assert ((via >= 0) == (chains > 0)).all()


def slow_chains(
    index: GraphIndex, pages: list[tuple[str, str]], question: str, local: np.ndarray, settings: GraphSettings
) -> list[float]:
    wanted = list(dict.fromkeys(stems(question)))
    held = [set(stems(f"{title} {text}")) for title, text in pages]
    size = len(pages)
    weight = {w: np.log1p(size / (1 + sum(w in h for h in held))) for w in wanted}
    total = max(sum(weight.values()), 1e-12)
    out = []
    for target in range(size):
        worths = [0.0]
        for seed in range(min(size, settings.num_seeds)):
            if seed != target:
                gain = sum(weight[w] for w in wanted if w in held[target] - held[seed]) / total
                strength = slow_link(index, seed, target, settings)
                prior = np.exp((local[seed] - local[0]) / settings.temperature)
                worths.append(prior * strength * (settings.link_floor + gain))
        out.append(max(worths))
    return out


def slow_link(index: GraphIndex, seed: int, target: int, settings: GraphSettings) -> float:
    m = index.matrices
    title = any(m.mentions[seed, e] and m.titles[target, e] for e in m.entity_ids.values())
    shared = sum(
        m.specificity[e] ** 2
        for e in m.entity_ids.values()
        if m.named[seed, e] and m.named[target, e] and m.passage_counts[e] <= settings.max_shared
    )
    return max(float(title), settings.shared_weight * min(shared, 1.0))


@given(PAGES)
def test_links_are_between_0_and_1(pages: list[tuple[str, str]]) -> None:
    index = build_index(*pages)
    strengths = links(index, np.arange(len(pages)), GraphSettings())
    assert strengths.shape == (len(pages), len(pages))
    assert ((strengths.data >= 0) & (strengths.data <= 1)).all()


@given(PAGES, st.text(max_size=40))
def test_any_question_is_ranked(pages: list[tuple[str, str]], question: str) -> None:
    ranking = rank(build_index(*pages), question, np.zeros((1, len(pages))), GraphSettings())
    assert np.isfinite(ranking.scores).all()


@pytest.mark.parametrize("bad", [{"temperature": 0.0}, {"num_seeds": 0}, {"chain_weight": -1.0}, {"max_shared": -1}])
def test_bad_settings_are_named(bad: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(bad))):
        GraphSettings(**bad)  # type: ignore[arg-type]
