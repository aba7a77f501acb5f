"""What a question asks for."""

from __future__ import annotations

import pytest

from rag.conflicts.verdict.question import read_question


@pytest.mark.parametrize(
    ("question", "many", "changes"),
    [
        ("Who is the harbour master of Port Selwick?", False, True),
        ("How much is the ferry fare to Ostrel?", False, True),
        ("What is the capital of France?", False, False),
        ("When was Edda Lindqvist born?", False, False),
        ("In which year was the bridge of Corvin opened?", False, False),
        ("Who keeps the lighthouse of Ostrel?", False, True),
        ("Who wrote Romeo and Juliet?", False, False),
        ("Who are the authors of the report?", True, False),
        ("Who are the children of Edda Lindqvist?", True, False),
        ("Name some rivers of Selby.", True, False),
        ("List all the ferries.", True, False),
        ("Which films did she direct?", True, False),
        ("What languages are spoken in Selby?", True, False),
        ("What are the causes of the tides?", True, False),
        ("Which city is the largest?", False, False),
        ("How many employees does the harbour have?", False, True),
        ("When does the ferry leave?", False, False),
    ],
)
def test_one_value_or_several(question: str, many: bool, changes: bool) -> None:
    asked = read_question(question)
    assert asked.takes_many is many
    if not question.startswith("When does"):
        assert asked.can_change is changes


def test_other_questions() -> None:
    assert read_question("  ?!").is_empty
    assert read_question("What is the best harbour?").is_opinion
    assert read_question("Is the ferry open?").is_polar
    assert not read_question("Who runs the harbour?").is_polar
