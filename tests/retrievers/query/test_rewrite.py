"""Rewriting: follow-ups that stand alone, replies that make no sense, and fusion that cannot push the question out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.core.passages import Passage, ScoredPassage
from rag.core.query import Message, Query
from rag.core.retrieval import Rewrite
from retrievers.graph.facets import facets
from retrievers.query.follow_up import stand_alone
from retrievers.query.length_class import length_class
from retrievers.query.rewrite import MAX_FACETS, build_prompt, by_rules, fuse_rankings, parse_reply

HISTORY = (
    Message("user", "Who is the harbour master of Port Selwick?"),
    Message("assistant", "The harbour master is Edda Lindqvist."),
)
LONG = "Who built the tide mill that stands beside the old bridge of Port Selwick and what did it grind?"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When was she appointed?", "When was Edda Lindqvist appointed?"),
        ("Where was her father born?", "Where was Edda Lindqvist's father born?"),
        ("Who appointed her?", "Who appointed Edda Lindqvist?"),
        ("How many people live there?", "How many people live in Port Selwick?"),
        ("What is its population?", "What is Port Selwick's population?"),
        ("And the mayor?", "And the mayor? (Port Selwick)"),
        ("Who is the mayor of Port Selwick?", "Who is the mayor of Port Selwick?"),
    ],
)
def test_follow_ups_stand_alone(question: str, expected: str) -> None:
    assert stand_alone(question, HISTORY) == expected


def test_the_last_turn_that_names_something_counts() -> None:
    later = (*HISTORY, Message("user", "Is the water cold?"), Message("assistant", "yes"))
    assert stand_alone("Who owns it?", later) == "Who owns Port Selwick?"


@pytest.mark.parametrize("question", ["When was she appointed?", "Why?", "word " * 10_000 + "it"])
def test_without_a_conversation_nothing_changes(question: str) -> None:
    assert by_rules(Query(question.strip())) == Rewrite(question.strip(), (question.strip(),))


def test_rules_keep_the_original() -> None:
    rewrite = by_rules(Query("When was she appointed?", HISTORY))
    assert rewrite.question == "When was Edda Lindqvist appointed?"
    assert rewrite.queries == ("When was she appointed?", rewrite.question)


def test_a_good_reply_is_taken() -> None:
    reply = 'Sure: {"question": "x", "queries": ["builder of the tide mill", "what the mill ground"]} Done.'
    rewrite = parse_reply(reply, Query(LONG), by_rules(Query(LONG)))
    assert rewrite.question == LONG  # without a conversation there is nothing to clarify
    assert rewrite.queries == (LONG, "builder of the tide mill", "what the mill ground")


def test_lines_are_taken_too_and_repetitions_are_not() -> None:
    reply = "1. Builder of the tide mill\n- builder of the tide mill?\n* unrelated nonsense\n\n2) old bridge"
    assert parse_reply(reply, Query(LONG), by_rules(Query(LONG))).queries == (
        LONG,
        "Builder of the tide mill",
        "old bridge",
    )


def test_a_clarified_question_must_keep_what_was_asked() -> None:
    query = Query("When was she appointed?", HISTORY)
    fallback = by_rules(query)
    good = parse_reply('{"question": "When was Edda Lindqvist appointed harbour master?"}', query, fallback)
    assert good.question == "When was Edda Lindqvist appointed harbour master?"
    assert parse_reply('{"question": "Who is the harbour master?"}', query, fallback).question == fallback.question


@given(st.text(max_size=300) | st.just('{"question": 3, "queries": {"a": [1]}}') | st.just("{" * 2000))
def test_no_reply_breaks_it(reply: str) -> None:
    rewrite = parse_reply(reply, Query(LONG), by_rules(Query(LONG)))
    assert rewrite.queries[0] == LONG
    assert rewrite.question in rewrite.queries
    assert len(rewrite.queries) <= 1 + MAX_FACETS
    assert len({text.casefold() for text in rewrite.queries}) == len(rewrite.queries)


def test_the_prompt_holds_conversation_and_question() -> None:
    text = build_prompt(Query("When was she appointed?", HISTORY))
    assert "assistant: The harbour master is Edda Lindqvist." in text
    assert "Question: When was she appointed?" in text


def ranking(*names: str) -> list[ScoredPassage]:
    return [ScoredPassage(Passage(name, name, name, "", name), 9.0 - i) for i, name in enumerate(names)]


def test_one_query_keeps_its_scores() -> None:
    assert fuse_rankings(Rewrite("q", ("q",)), [ranking("a", "b", "c")], 2) == ranking("a", "b")


def test_other_queries_add_without_pushing_out() -> None:
    rewrite = Rewrite("clear", ("vague", "clear", "facet"))
    hits = fuse_rankings(rewrite, [ranking("x", "y"), ranking("a", "b"), ranking("b", "z")], 4)
    assert [item.passage.doc_id for item in hits] == ["a", "b", "x", "y"]
    weights = {item.passage.doc_id: item.score for item in hits}
    assert weights["b"] == pytest.approx(1 / 12 + 0.05 / 11)


@pytest.mark.parametrize("question", ["Und wann wurde sie gebaut?", "她是谁？", "¿Y cuándo fue ella?"])
def test_rules_for_english_leave_other_languages_alone(question: str) -> None:
    assert by_rules(Query(question, HISTORY)) == Rewrite(question, (question,))
    assert length_class(question) == "compound"
    assert facets(f"{question}, {question}") == (f"{question}, {question}",)
