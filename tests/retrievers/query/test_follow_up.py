"""Follow-ups get the name they refer to; a question that stands alone stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.core.query import Message
from retrievers.query.follow_up import stand_alone

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
HISTORY = (
    Message("user", "Who is the harbour master of Port Selwick?"),
    Message("assistant", "The harbour master is Edda Lindqvist."),
)


@pytest.mark.parametrize(
    "question",
    [
        "When did it rain in Oslo?",
        "Does it snow here in winter?",
        "Is it true that Leonardo painted the ceiling?",
        "Is it legal to fish at night?",
        "Was it Shakespeare who wrote Hamlet?",
        "How long does it take to walk to the mill?",
        "What time is it in Lima?",
        "Is there a ferry to the island?",
        "How many bridges are there in the town?",
        "When did Marie Curie win her second prize?",
        "Which river did Napoleon cross before he took Vilnius?",
        "Who painted Guernica?",
        "When is Easter?",
        "Where is Mount Fuji?",
        "What is the boiling point of water?",
        # Few words, no name.
        "Who invented paper?",
        "Where do penguins live?",
        "Why do birds sing?",
        "When is the equinox?",
        "Who conceptualized the piston?",
        # A pronoun for something that the question itself names.
        "Which country in 1985 signed a treaty to give it special status?",
        "What was the price of oil before it rose?",
        "Which country's cars were sought after as they were more fuel efficient?",
        "What happened to the mill after it closed?",
        "When did the state whose official sport is jousting make anglicanism its established religion?",
        "What uses a flexible set of rules to determine its future actions?",
        "What components raise steam temperature above its saturated vapour point?",
        "Who considered their land on the continent their most important holding?",
        "After the operators are warned by the steam, what may they then do?",
        "In a spring-loaded valve, what must be broken to allow an operator to tamper with it?",
        "Who announced it would embargo oil shipments?",
        "Who played the It'll Be Me singer in a film?",
        # "It" and "there" for nothing.
        "It is generally assumed that a machine can solve anything capable of being solved by what?",
        "How far is it from the quay to the mill?",
        "What is it called when steam drives a generator?",
        "Whose decision was it to name the new town?",
        "Is it easier to sail or to row?",
        "That there currently exists no proof supports which claim?",
    ],
)
def test_what_is_no_follow_up_stays(question: str) -> None:
    assert stand_alone(question, HISTORY) == question


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How old is she?", "How old is Edda Lindqvist?"),
        ("When was it founded?", "When was Port Selwick founded?"),
        ("Who works there?", "Who works in Port Selwick?"),
        ("Is it true that she left?", "Is it true that Edda Lindqvist left?"),
        ("Why?", "Why? (Port Selwick)"),
        ("Since when?", "Since when? (Port Selwick)"),
        ("What about the mill?", "What about the mill? (Port Selwick)"),
        ("Who owns it?", "Who owns Port Selwick?"),
        ("Which company built it?", "Which company built Port Selwick?"),
        ("What is the height of its tower?", "What is the height of Port Selwick's tower?"),
        ("What is the name of her father?", "What is the name of Edda Lindqvist's father?"),
        ("What happened after she left?", "What happened after Edda Lindqvist left?"),
        ("Which year was she born?", "Which year was Edda Lindqvist born?"),
    ],
)
def test_follow_ups_get_their_name(question: str, expected: str) -> None:
    assert stand_alone(question, HISTORY) == expected


def test_questions_that_stand_alone_stay_in_a_conversation() -> None:
    """2,200 of them. Eight at most may change: some are no better than follow-ups ("When was he elected by Nixon?")."""
    if not DATA.is_dir():
        pytest.skip("needs the data sets beside the checkout")
    rows = [
        json.loads(line)
        for name in ("hotpotqa", "musique", "squad2")
        for line in (DATA / name / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    changed = [row["question"] for row in rows if stand_alone(row["question"], HISTORY) != row["question"]]
    assert len(rows) == 2200
    assert len(changed) <= 8, changed
