"""The parts of a question."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrievers.graph.facets import facets


def test_clauses_by_hand() -> None:
    clauses = facets("Who painted the ship that sank in the harbour where Ada was born?")
    assert clauses[0] == "Who painted the ship that sank in the harbour where Ada was born?"
    assert {"Who painted the ship", "that sank", "where Ada was born"} - set(clauses) == {"that sank"}
    assert "that sank in the harbour" in clauses


def test_a_short_question_is_its_own_only_facet() -> None:
    assert facets("Who was Ada?") == ("Who was Ada?",)
    assert facets("") == ("",)


@given(st.lists(st.sampled_from(["who", "that", "of", "the", "ship", ",", "sank,"]), max_size=80).map(" ".join))
def test_facets_are_few_and_parts_of_the_question(question: str) -> None:
    clauses = facets(question)
    assert 1 <= len(clauses) <= 16
    assert len(set(clauses)) == len(clauses)
    words = set(question.replace(",", " ").split())
    assert all(set(facet.replace(",", " ").split()) <= words for facet in clauses)


def test_ten_thousand_words_are_cut() -> None:
    assert len(facets("which word " * 5000)[0].split()) == 64
