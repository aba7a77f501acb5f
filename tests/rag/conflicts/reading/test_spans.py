"""Sentences of a passage, and the spans that can answer a question."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies

from rag.conflicts.reading.spans import (
    MAX_SENTENCE_WORDS,
    Sentence,
    answer_kind,
    coverage,
    find_spans,
    split_sentences,
)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was the bridge opened?", "time"),
        ("In which year did the war end?", "time"),
        ("What is the birth date of Ann Bell?", "time"),
        ("Who keeps the lighthouse?", "person"),
        ("Whose boat sank?", "person"),
        ("where did they land ?", "place"),
        ("In which city is the tower?", "place"),
        ("How many people live in Selby?", "number"),
        ("What is the population of Selby?", "number"),
        ("What is the medium of the work?", "any"),
        ("", "any"),
    ],
)
def test_answer_kind(question: str, kind: str) -> None:
    assert answer_kind(question) == kind


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One ends here. Two ends there.", ["One ends here.", "Two ends there."]),
        ("It was built by J. Smith in 1911. He died.", ["It was built by J. Smith in 1911.", "He died."]),
        ("Dr. Lund came. St. Mary stayed.", ["Dr. Lund came.", "St. Mary stayed."]),
        ("A heading\nA line", ["A heading", "A line"]),
        ("The fare is 3.50 crowns.", ["The fare is 3.50 crowns."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_split_sentences(text: str, sentences: list[str]) -> None:
    assert [sentence.text for sentence in split_sentences(text)] == sentences


@given(strategies.text(alphabet="ab .!?\nA1\u2022|\"'", max_size=80))
def test_sentences_stand_where_they_say(text: str) -> None:
    sentences = split_sentences(text)
    assert all(text[sentence.start : sentence.end] == sentence.text for sentence in sentences)
    assert all(one.end <= other.start for one, other in pairwise(sentences))


def test_a_sentence_without_end_is_cut() -> None:
    sentences = split_sentences("word " * (2 * MAX_SENTENCE_WORDS + 1))
    assert [len(sentence.text.split()) for sentence in sentences] == [MAX_SENTENCE_WORDS, MAX_SENTENCE_WORDS, 1]


def spans(question: str, text: str) -> list[str]:
    return [span.text for span in find_spans(question, Sentence(text, 0, len(text)))]


@pytest.mark.parametrize(
    "date", ["8 July 2016", "July 8, 2016", "July 2016", "2016", "2016-07-08", "the 1960s", "12th century", "44 BC"]
)
def test_dates(date: str) -> None:
    assert date in spans("When did it happen?", f"It happened around {date}, they say.")


@pytest.mark.parametrize(
    "number", ["3,559 people", "45.7 years", "996 cc", "$20", "12 %", "twenty-two games", "4.2 million tonnes"]
)
def test_numbers_have_their_unit(number: str) -> None:
    assert number in spans("How many were counted?", f"They found {number}, all told.")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("It was written by Michael Rosen and illustrated.", "Michael Rosen"),
        ("The book by Michael Rosen and Helen Oxenbury won.", "Helen Oxenbury"),
        ("She lived in Selby, Norway.", "Norway"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert name in spans("Who did it?", text)


def test_phrases_are_runs_of_content_words() -> None:
    found = spans("What sport did he play?", "He is a former ice hockey player.")
    assert {"former ice hockey player", "former ice hockey", "hockey player", "player"} <= set(found)


def test_the_words_of_the_question_are_no_answer() -> None:
    assert spans("Who is the mayor of Selby?", "The mayor of Selby.") == []


def test_spans_stand_where_they_say() -> None:
    passage = "First. On 8 July 2016 Ann Bell paid $20 in Selby."
    for sentence in split_sentences(passage):
        for span in find_spans("What happened?", sentence):
            assert passage[span.start : span.end] == span.text


def test_coverage() -> None:
    assert coverage("Who painted the harbour?", "The harbours were painted.") == 1
    assert coverage("Who painted the harbour?", "Nothing.") == 0
    assert coverage("", "Nothing.") == 0
