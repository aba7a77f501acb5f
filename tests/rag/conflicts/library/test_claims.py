"""Claims that clash, with their sources and dates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kg.graph import KnowledgeGraph
from kg.types import Extraction, Provenance, Triple
from rag.conflicts.library.claims import find_clashes, functional_relations


def graph_of(*facts: tuple[str, str, str, str]) -> KnowledgeGraph:
    """From (doc_id, subject, relation, object)."""
    return KnowledgeGraph(
        Extraction(d, f"{d}:{i}", (), (Triple(s, r, o, Provenance(d, f"{d}:{i}", i, i + 1)),))
        for i, (d, s, r, o) in enumerate(facts)
    )


TWO_GUIDES = graph_of(
    ("old", "museum", "opens at", "nine"),
    ("new", "museum", "opens at", "ten"),
    ("new", "library", "opens at", "eight"),
    ("new", "bakery", "Opens At", "six"),
    ("old", "museum", "shows", "ships"),
    ("old", "museum", "shows", "maps"),
    ("old", "bakery", "shows", "bread"),
    ("old", "library", "shows", "books"),
)


def test_documents_that_disagree_clash_and_lists_do_not() -> None:
    clashes = find_clashes(TWO_GUIDES, {"old": "2018-05-01", "new": "2024-05-01"})
    assert [(clash.subject, clash.relation) for clash in clashes] == [("museum", "opens at")]
    newer, older = clashes[0].sides
    assert (newer.object, newer.dates) == ("ten", ("2024-05-01",))
    assert (older.object, older.sources[0].doc_id) == ("nine", "old")


def test_functionality_is_judged_within_documents() -> None:
    assert functional_relations(TWO_GUIDES) == ("opens at",)
    assert functional_relations(TWO_GUIDES, min_subjects=4) == ()


def test_named_relations_replace_the_judgement() -> None:
    graph = graph_of(("a", "museum", "shows", "ships"), ("b", "museum", "shows", "maps"))
    assert find_clashes(graph) == []
    clashes = find_clashes(graph, functional=["Shows"])
    assert [(clash.subject, [side.object for side in clash.sides]) for clash in clashes] == [
        ("museum", ["maps", "ships"])
    ]
    assert clashes[0].sides[0].dates == ("",)


def test_one_document_with_two_objects_disagrees_with_nobody() -> None:
    assert find_clashes(TWO_GUIDES, functional=["shows"]) == []


def test_a_fuller_wording_agrees() -> None:
    graph = graph_of(("a", "mill", "built in", "1764"), ("b", "mill", "built in", "may 1764"))
    assert find_clashes(graph, functional=["built in"]) == []


FACTS = st.tuples(
    st.sampled_from("de"), st.sampled_from(["x", "y", "z"]), st.sampled_from("rs"), st.sampled_from(["1", "2", "1 2"])
)


@given(st.lists(FACTS, max_size=12))
def test_every_side_is_claimed_by_its_sources(facts: list[tuple[str, str, str, str]]) -> None:
    graph = graph_of(*facts)
    for clash in find_clashes(graph, functional=["r", "s"]):
        assert len(clash.sides) > 1
        for side in clash.sides:
            own = {
                place
                for o in graph.entities
                if set(o.split()) <= set(side.object.split())
                for place in graph.sources((clash.subject, clash.relation, o))
            }
            assert set(side.sources) <= own


@given(st.lists(FACTS, max_size=12))
def test_one_document_removed_leaves_no_clash_that_needs_it(facts: list[tuple[str, str, str, str]]) -> None:
    graph = graph_of(*facts)
    graph.remove_document("d")
    assert find_clashes(graph, functional=["r", "s"]) == find_clashes(
        KnowledgeGraph(graph.extraction(p) for p in graph.passage_ids), functional=["r", "s"]
    )
