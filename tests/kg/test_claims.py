"""Definite claims by hand, and the clash in the example corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg.claims import claims_in
from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from kg.types import Claim
from rag.conflicts.library.claims import find_clashes
from rag.core.passages import Passage

CORPUS = Path(__file__).resolve().parents[2] / "examples" / "corpus"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The mayor of Port Selwick is Ada Penrose.", ("port selwick", "the mayor", "ada penrose")),
        ("Ada Penrose is the new mayor of Port Selwick.", ("port selwick", "the mayor", "ada penrose")),
        ("Port Selwick's mayor is Ada Penrose, we hear.", ("port selwick", "the mayor", "ada penrose")),
        ("The capital city of\nthe Isles is Nort.", ("isles", "the capital city", "nort")),
        ("The mayor of Port Selwick was Ada Penrose.", None),
        ("Ada Penrose is a mayor of Port Selwick.", None),
        ("The mayor of Port Selwick is tall.", None),
    ],
)
def test_claims_by_hand(text: str, expected: Claim | None) -> None:
    triples = list(claims_in(Passage("d:0", "d", "d", "t", text)))
    assert [triple.claim for triple in triples] == ([expected] if expected else [])
    for triple in triples:
        assert "mayor" in text[triple.source.start : triple.source.end] or "capital" in text


def test_the_two_harbour_masters_of_the_example_corpus_clash() -> None:
    passages = [
        Passage(f"{file.name}:0", file.name, file.name, file.stem, file.read_text(encoding="utf-8"))
        for file in sorted(CORPUS.glob("harbour-master-notice-*.txt"))
    ]
    graph = KnowledgeGraph(NameExtractor().extract(passages))
    dates = {"harbour-master-notice-2019.txt": "2019-03-04", "harbour-master-notice-2023.txt": "2023-09-11"}
    clash = next(clash for clash in find_clashes(graph, dates) if clash.relation == "the harbour master")
    assert [(side.object, side.dates) for side in clash.sides] == [
        ("tomas orrel", ("2023-09-11",)),
        ("edda lindqvist", ("2019-03-04",)),
    ]
