"""The final text of an answer."""

from __future__ import annotations

import pytest

from rag.conflicts.verdict.follow import asks_for_fact, follow
from rag.core.verdict import Memory, Position, Reading, Verdict

QUESTION = "Who is the harbour master?"
OLD, NEW = "The harbour master is Edda Lindqvist.", "The harbour master is Tomas Orrel."
PASSAGES = {"old:0": OLD, "new:0": NEW}


def position(answer: str, name: str, *, confidence: float = 0.9, is_superseded: bool = False) -> Position:
    reading = Reading(f"{name}:0", name, f"{name}.txt", name, answer, PASSAGES[f"{name}:0"], confidence)
    return Position(answer, (reading,), 1, confidence, is_superseded=is_superseded)


EDDA, TOMAS = position("Edda Lindqvist", "old", is_superseded=True), position("Tomas Orrel", "new")
OUTDATED = Verdict("outdated", "", (TOMAS, EDDA))
AGREED = Verdict("agreement", "", (TOMAS,))


def test_a_draft_that_follows_the_policy_stays() -> None:
    followed = follow(OUTDATED, NEW, QUESTION, PASSAGES)
    assert (followed.text, followed.verdict.flags) == (NEW, ())


def test_a_draft_that_follows_what_is_superseded_is_repaired() -> None:
    followed = follow(OUTDATED, OLD, QUESTION, PASSAGES)
    assert (followed.text, followed.verdict.flags) == ("Tomas Orrel", ("repaired",))


def test_a_draft_that_states_no_position_is_repaired() -> None:
    assert follow(AGREED, "The master is Bo.", QUESTION, PASSAGES).text == "Tomas Orrel"


def test_a_doubtful_reading_replaces_no_draft_that_the_passage_supports() -> None:
    doubtful = Verdict("agreement", "", (position("harbour", "new", confidence=0.2),))
    assert follow(doubtful, "Tomas Orrel", QUESTION, PASSAGES).text == "Tomas Orrel"
    assert follow(doubtful, "Bo Grey", QUESTION, PASSAGES).text == "harbour"


def test_silence_gives_memory_as_memory() -> None:
    silent = Verdict("silent", "", (), Memory("Bo Grey", 0.9, "silent"))
    assert follow(silent, "Bo Grey", QUESTION, PASSAGES).text == (
        "The documents do not say. From the model's memory: Bo Grey"
    )
    assert follow(silent, "Bo Grey", QUESTION, PASSAGES, on_silence="ask").text.endswith("?")


def test_the_memory_policy_gives_memory() -> None:
    knowing = Verdict("agreement", "", (TOMAS,), Memory("Bo Grey", 0.9, "contradicts"))
    assert follow(knowing, NEW, QUESTION, PASSAGES, "memory").text.startswith("Bo Grey (from the model's memory")


def test_a_long_draft_is_left_alone_unless_it_was_cut_off() -> None:
    long = "It is told that " + "the harbour is old and " * 12
    assert follow(AGREED, long, QUESTION, PASSAGES).text == long
    assert follow(AGREED, long, QUESTION, PASSAGES, is_cut=True).text == "Tomas Orrel"


@pytest.mark.parametrize(
    ("question", "is_fact"),
    [
        ("Who runs it?", True),
        ("How high is it?", True),
        ("Is it open?", True),
        ("Summarize the notice.", False),
        ("Why was it built?", False),
        ("How do I get there?", False),
        ("Write a poem about the harbour.", False),
    ],
)
def test_only_facts_are_repaired(question: str, is_fact: bool) -> None:
    assert asks_for_fact(question) is is_fact
    if not is_fact:
        assert follow(OUTDATED, OLD, question, PASSAGES).text == OLD
