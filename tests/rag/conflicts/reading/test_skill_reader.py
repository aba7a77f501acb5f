"""Replies of a reader skill: a position only where the passage says it."""

from __future__ import annotations

import pytest

from rag.conflicts.reading.skill_reader import complete, find_quote, read_reply
from rag.core.passages import Passage
from rag.core.verdict import NOT_STATED
from rag.generation.base import Generation

TEXT = (
    "The harbour master is Edda Lindqvist. She took office in April 2003.\n"
    "The quay is 1,200 m long. 東京の人口は約1400万人です。"
)
PASSAGE = Passage("p:0", "p", "p.txt", "Port Selwick", TEXT, 0, "page 2", "Harbour > Staff", "2003-05-01")


@pytest.mark.parametrize(
    ("question", "answer", "quote"),
    [
        ("Who is the harbour master?", "Edda Lindqvist", "The harbour master is Edda Lindqvist."),
        ("Who is the harbour master?", "edda  lindqvist", "The harbour master is Edda Lindqvist."),
        ("Who is the harbour master?", "The harbour master is Edda Lindqvist", "The harbour master is Edda Lindqvist."),
        ("When did she take office?", "in April 2003", "She took office in April 2003."),
        ("When did she take office?", "2003, in April", "She took office in April 2003."),
        ("How long is the quay?", "1,200 m", "The quay is 1,200 m long."),
        ("How long is the quay?", "200 m", "The quay is 1,200 m long."),
        ("東京の人口は?", "1400万人", "東京の人口は約1400万人です。"),
        ("Which port is it?", "Port Selwick", "Port Selwick"),
        ("Is Edda Lindqvist the harbour master?", "Yes", "The harbour master is Edda Lindqvist."),
        ("Who is the harbour master?", "Yes", ""),
        ("Who is the harbour master?", "Tomas Orrel", ""),
        ("Who is the harbour master?", "Edda Orrel", ""),
        ("How long is the quay?", "12 m", ""),
    ],
)
def test_an_answer_stands_in_a_sentence(question: str, answer: str, quote: str) -> None:
    assert find_quote(question, PASSAGE, answer) == quote


@pytest.mark.parametrize(
    ("question", "answer", "whole"),
    [
        ("When did she take office?", "2003", "April 2003"),
        ("When did she take office?", "April 2003", "April 2003"),
        ("How long is the quay?", "1,200", "1,200 m"),
        ("How long is the quay?", "12", "12"),
        ("Who is the harbour master?", "Edda", "Edda"),
    ],
)
def test_dates_and_numbers_are_given_whole(question: str, answer: str, whole: str) -> None:
    sentence = "Edda Lindqvist has run the quay, which is 1,200 m long, since April 2003."
    assert complete(question, answer, sentence) == whole


@pytest.mark.parametrize("reply", [NOT_STATED, "the documents do not say", f"{NOT_STATED}\nEdda Lindqvist", "", " . "])
def test_a_refusal_is_silence(reply: str) -> None:
    reading = read_reply("Who is the harbour master?", PASSAGE, Generation(reply, (), (), "stop"))
    assert (reading.answer, reading.quote, reading.confidence) == ("", "", 0.0)


def test_a_reading_knows_its_place() -> None:
    reading = read_reply("Who is it?", PASSAGE, Generation("Edda Lindqvist.\nShe ...", (), (), "stop"))
    assert reading.answer == "Edda Lindqvist"
    assert reading.quote == "The harbour master is Edda Lindqvist."
    assert (reading.doc_id, reading.location, reading.date) == ("p", "page 2", "2003-05-01")
    assert reading.confidence == 1.0
