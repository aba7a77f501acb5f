"""Sentences and texts that contradict each other, and those that do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.conflicts.library.texts import contradict_texts
from rag.conflicts.sentences import split_sentences
from rag.conflicts.statements.contradict import contradict
from rag.conflicts.statements.statement import read_statement

PAIRS = Path(__file__).resolve().parents[4] / "benchmarks" / "data" / "statement_pairs.jsonl"
ROWS = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['kind']}-{i}" for i, row in enumerate(ROWS)])
def test_pairs_both_ways(row: dict[str, str]) -> None:
    one, other = row["documents"]
    assert bool(contradict(one, other)) is (row["expected"] == "clash")
    assert bool(contradict(other, one)) is (row["expected"] == "clash")


def test_what_differs_is_named() -> None:
    clash = contradict("The harbour master is Edda Lindqvist.", "Tomas Orrel is the harbour master.")
    assert clash is not None
    assert (clash.left, clash.right, clash.kind) == ("Edda Lindqvist", "Tomas Orrel", "value")
    denied = contradict("Dogs are allowed on board.", "Dogs are not allowed on board.")
    assert denied is not None
    assert denied.kind == "negation"


@pytest.mark.parametrize(
    ("sentence", "is_asserted"),
    [
        ("The mayor of Selby is Ann Bell.", True),
        ("According to the survey, the bridge was opened in 1924.", True),
        ("Romeo and Juliet was written by Agnes Thorne, as the town clerk has shown.", True),
        ("Is Ann Bell the mayor?", False),
        ("If Ann Bell is the mayor, the office is open.", False),
        ("Tom said that Ann Bell is the mayor.", False),
        ('"Ann Bell is the mayor," said Tom.', False),
        ("Rumour has it that Ann Bell is the mayor.", False),
        ("The bridge is said to be the oldest.", False),
        ("Ann Bell is probably the mayor.", False),
    ],
)
def test_asserted(sentence: str, is_asserted: bool) -> None:
    assert read_statement(sentence).is_asserted is is_asserted


def test_texts_are_compared_sentence_by_sentence() -> None:
    one = "The ferry is blue. It was built in Ostrel. The fare to Ostrel is 4 crowns. Children pay half."
    other = "The fare to Ostrel is 6 crowns. Dogs are welcome. The ferry is blue."
    [clash] = contradict_texts(one, other)
    assert (clash.left, clash.right) == ("4 crowns", "6 crowns")
    assert contradict_texts(one, one) == []
    assert contradict_texts("", other) == []


def test_sentences_end_where_they_end() -> None:
    text = "Dr. Bell met J. R. Tolkien at 3.5 km. He left.\n\n- One item\n- Two items\n\n彼は来た。彼女も来た。"
    assert split_sentences(text) == [
        "Dr. Bell met J. R. Tolkien at 3.5 km.",
        "He left.",
        "- One item",
        "- Two items",
        "彼は来た。",
        "彼女も来た。",
    ]
    assert split_sentences("  ") == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_read(one: str, other: str) -> None:
    assert contradict(one, one) is None
    assert bool(contradict(one, other)) is bool(contradict(other, one))
