"""The graph: every order of adding and removing ends in the graph of what is left."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.graph import KnowledgeGraph
from kg.matrices import GraphMatrices
from kg.packed import PackedExtraction
from kg.types import Extraction, Mention, Provenance, Triple

NAMES = st.sampled_from(["ada", "mill", "port", "tide"])
CLAIMS = st.tuples(NAMES, st.sampled_from(["built", "owns"]), NAMES)


@st.composite
def documents(draw: st.DrawFn) -> list[list[Extraction]]:
    """Up to four documents of up to two passages that share names and claims."""
    out = []
    for d in range(draw(st.integers(1, 4))):
        passages = []
        for p in range(draw(st.integers(1, 2))):
            source = Provenance(f"d{d}", f"d{d}:{p}", 0, 3)
            mentions = tuple(Mention(n, source, draw(st.booleans())) for n in draw(st.lists(NAMES, max_size=3)))
            triples = tuple(Triple(*claim, source) for claim in draw(st.lists(CLAIMS, max_size=3)))
            passages.append(Extraction(f"d{d}", f"d{d}:{p}", mentions, triples))
        out.append(passages)
    return out


def picture(graph: KnowledgeGraph) -> tuple[object, ...]:
    """All that the graph holds, in no order."""
    claims = {claim: set(graph.sources(claim)) for claim in graph.claims}
    by_subject = {name: set(graph.claims_about(name)) for name in graph.entities}
    named = {name: set(graph.passages_naming(name)) for name in graph.entities}
    return set(graph.passage_ids), graph.entities, claims, by_subject, named


@given(documents(), st.data())
def test_removing_documents_leaves_the_graph_of_the_others(docs: list[list[Extraction]], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(0, len(docs) - 1)))
    graph = KnowledgeGraph(item for passages in docs for item in passages)
    for d in sorted(gone, reverse=True):
        graph.remove_document(f"d{d}")
    remaining = KnowledgeGraph(item for d, passages in enumerate(docs) if d not in gone for item in passages)
    assert picture(graph) == picture(remaining)
    assert nx.utils.graphs_equal(graph.to_networkx(), remaining.to_networkx())


@given(documents(), st.randoms(use_true_random=False))
def test_the_order_of_adding_does_not_matter(docs: list[list[Extraction]], random: object) -> None:
    items = [item for passages in docs for item in passages]
    shuffled = items[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert picture(KnowledgeGraph(items)) == picture(KnowledgeGraph(shuffled))


@given(documents())
def test_adding_twice_is_adding_once(docs: list[list[Extraction]]) -> None:
    items = [item for passages in docs for item in passages]
    assert picture(KnowledgeGraph([*items, *items])) == picture(KnowledgeGraph(items))


def two_documents() -> KnowledgeGraph:
    claim = ("mill", "built by", "ada")
    items = []
    for doc_id in ("d1", "d2"):
        source = Provenance(doc_id, f"{doc_id}:0", 4, 8)
        items.append(Extraction(doc_id, f"{doc_id}:0", (Mention("mill", source, True),), (Triple(*claim, source),)))
    return KnowledgeGraph(items)


def test_an_edge_stays_until_its_last_source_goes() -> None:
    graph, claim = two_documents(), ("mill", "built by", "ada")
    assert graph.support(claim) == 2
    graph.remove_document("d1")
    assert [source.doc_id for source in graph.sources(claim)] == ["d2"]
    graph.remove_document("unknown")
    graph.remove_document("d2")
    assert graph.claims == graph.entities == graph.passage_ids == ()


def test_networkx_edges_carry_their_sources() -> None:
    graph = two_documents().to_networkx()
    edge = graph.get_edge_data(("entity", "mill"), ("entity", "ada"), "built by")
    assert edge["weight"] == 2
    assert [(s.doc_id, s.start, s.end) for s in edge["sources"]] == [("d1", 4, 8), ("d2", 4, 8)]


@given(documents())
def test_matrices_agree_with_the_graph(docs: list[list[Extraction]]) -> None:
    graph = KnowledgeGraph(item for passages in docs for item in passages)
    matrices = GraphMatrices.from_graph(graph)
    named = {
        (passage_id, name)
        for passage_id in graph.passage_ids
        for name in graph.entities
        if passage_id in graph.passages_naming(name)
    }
    rows, columns = matrices.named.nonzero()
    entities = list(matrices.entity_ids)
    assert {(matrices.passage_ids[r], entities[c]) for r, c in zip(rows, columns, strict=True)} == named
    assert (matrices.adjacency != matrices.adjacency.T).nnz == 0
    assert matrices.relations.sum() == len(graph.claims)


def test_an_empty_graph_has_empty_matrices() -> None:
    matrices = GraphMatrices.from_graph(KnowledgeGraph())
    assert matrices.adjacency.shape == (0, 0)
    assert matrices.linked(["anything"]) == []


def test_many_rows_of_one_passage_are_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bare triples come one to a row. Packing the passage again for each of them costs the square of their number."""
    packed: list[str] = []
    pack = PackedExtraction.pack
    monkeypatch.setattr(
        PackedExtraction, "pack", lambda extraction: packed.append(extraction.passage_id) or pack(extraction)
    )
    source = Provenance("d", "d:0", 0, 1)
    rows = [Extraction("d", "d:0", (), (Triple(f"s{i}", "r", "o", source),)) for i in range(500)]
    graph = KnowledgeGraph(rows)
    assert packed == ["d:0"]
    assert len(graph.claims) == 500
