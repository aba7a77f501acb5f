"""Assumptions that a question states."""

from __future__ import annotations

import pytest

from rag.conflicts.verdict.assumptions import find_assumption


@pytest.mark.parametrize(
    ("question", "claim", "rest"),
    [
        (
            "Assume that the fare is 5 crowns. How much do two tickets cost?",
            "the fare is 5 crowns",
            "How much do two tickets cost?",
        ),
        ("Suppose Ann Bell is the mayor, who signs permits?", "Ann Bell is the mayor", "Who signs permits?"),
        (
            "If the capital of France were Lyon, where would the president live?",
            "the capital of France were Lyon",
            "Where would the president live?",
        ),
        ("Who signs permits, assuming that Ann Bell is the mayor?", "Ann Bell is the mayor", "Who signs permits"),
        ("Where would he live if the capital were Lyon?", "the capital were Lyon", "Where would he live"),
        ("Let's assume the ferry costs 5 crowns; what do two cost?", "the ferry costs 5 crowns", "What do two cost?"),
    ],
)
def test_stated(question: str, claim: str, rest: str) -> None:
    assumption = find_assumption(question)
    assert assumption is not None
    assert (assumption.claim, assumption.question) == (claim, rest)


@pytest.mark.parametrize(
    "question",
    [
        "Who is the mayor of Selby?",
        "What does the report assume about prices?",
        "Does the plan assume that the bridge is open?",
        "What happens if it rains?",
        "What should I consider before sailing?",
        "Which assumption is made in chapter 2?",
        "",
    ],
)
def test_not_stated(question: str) -> None:
    assert find_assumption(question) is None
