"""The part of a graph that is drawn."""

from __future__ import annotations

from kg.graph import KnowledgeGraph
from kg.neighbourhood import Naming, read_around_documents, read_around_name
from kg.types import Extraction, Mention, Provenance, Triple


def passage(doc_id: str, names: list[str], claims: tuple[tuple[str, str, str], ...] = ()) -> Extraction:
    source = Provenance(doc_id, f"{doc_id}:0", 0, 4)
    mentions = tuple(Mention(name, source) for name in names)
    return Extraction(doc_id, f"{doc_id}:0", mentions, tuple(Triple(*claim, source) for claim in claims))


MASTER = ("port selwick", "the harbour master", "tomas orrel")
GRAPH = KnowledgeGraph(
    [
        passage("a", ["port selwick", "selwick", "tomas orrel", "mill"], (MASTER,)),
        passage("b", ["port selwick", "selwick", "ferry"]),
        passage("c", ["ferry", "norway"]),
    ]
)


def test_around_a_document() -> None:
    part = read_around_documents(GRAPH, ["a"])
    assert part.doc_ids == ("a", "b")  # c shares nothing with a
    assert part.names == ("port selwick", "tomas orrel", "mill")  # claims first; "selwick" is a part of a longer name
    assert part.num_names == 4
    assert Naming("b", "port selwick", 1) in part.namings
    assert [(link.subject, link.object, link.doc_ids) for link in part.links] == [(MASTER[0], MASTER[2], ("a",))]


def test_around_a_name() -> None:
    part = read_around_name(GRAPH, "Ferry")
    assert (part.doc_ids, part.names[0]) == (("b", "c"), "ferry")
    assert set(part.names) == {"ferry", "port selwick", "norway"}
    assert read_around_name(GRAPH, "nobody").names == ()


def test_its_size_is_bounded() -> None:
    many = KnowledgeGraph(passage(f"d{i}", [f"name{j}" for j in range(50)]) for i in range(40))
    part = read_around_documents(many, ["d0"], max_names=5, max_documents=3)
    assert (len(part.doc_ids), len(part.names), part.num_names) == (4, 5, 50)
    assert len(read_around_name(many, "name7", max_names=5, max_documents=3).doc_ids) == 3
