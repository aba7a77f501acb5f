"""Follow-ups get the name they refer to; a question that stands alone stays as it is."""

from __future__ import annotations

import pytest

from rag.core.query import Message
from retrievers.query.follow_up import stand_alone

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
    ],
)
def test_follow_ups_get_their_name(question: str, expected: str) -> None:
    assert stand_alone(question, HISTORY) == expected
