"""Readings into positions, and independent sources."""

from __future__ import annotations

from rag.conflicts.verdict.copies import find_copies
from rag.conflicts.verdict.grouping import count_sources, group_readings
from rag.core.verdict import Reading


def reading(answer: str, doc: str = "a", number: int = 0, confidence: float = 0.9, date: str = "") -> Reading:
    return Reading(f"{doc}:{number}", doc, f"{doc}.txt", doc, answer, confidence=confidence, date=date)


def test_wordings_of_one_answer_are_one_position() -> None:
    [position] = group_readings(
        [reading("Orrel", "a", date="2019"), reading("Tomas Orrel.", "b", confidence=0.95, date="2023-09")]
    )
    assert (position.answer, position.num_sources, position.confidence) == ("Tomas Orrel", 2, 0.95)
    assert position.date == "2023-09"


def test_passages_of_one_document_count_once() -> None:
    [position] = group_readings([reading("1911", "a", 0), reading("1911", "a", 1), reading("in 1911", "b")])
    assert position.num_sources == 2
    assert len(position.readings) == 3


def test_copies_count_once() -> None:
    text = "The mayor of Selby is Ann Bell, who took up the post in May and lives in the old mill by the river."
    copies = find_copies({"a:0": text, "b:0": text.replace("May", "June"), "c:0": "The mayor of Selby is Ann Bell."})
    assert copies == {"a:0": "a:0", "b:0": "b:0", "c:0": "c:0"}
    exact = find_copies({"a:0": text, "b:0": text + " "})
    [position] = group_readings([reading("Ann Bell", "a"), reading("Ann Bell", "b")], copies=exact)
    assert position.num_sources == 1


def test_copies_join_documents_through_each_other() -> None:
    readings = [reading("x", "a", 0), reading("x", "a", 1), reading("x", "b", 0), reading("x", "c", 0)]
    assert count_sources(readings, {"b:0": "a:0", "c:0": "a:1"}) == 1
    assert count_sources(readings, {}) == 3


def test_short_texts_are_copies_only_word_by_word() -> None:
    texts = {"a": "The mayor is Ann Bell.", "b": "the mayor is Ann Bell", "c": "The mayor is Tom Bell."}
    assert find_copies(texts) == {"a": "a", "b": "a", "c": "c"}
    assert find_copies({"a": "", "b": ""}) == {"a": "a", "b": "b"}


def test_a_surname_of_two_joins_the_better_supported() -> None:
    readings = [reading("Tom Bell", "a"), reading("Ann Bell", "b"), reading("Ann Bell", "c"), reading("Bell", "d")]
    positions = group_readings(readings)
    assert [(p.answer, p.num_sources) for p in positions] == [("Ann Bell", 3), ("Tom Bell", 1)]


def test_order_is_by_sources_then_confidence_then_date() -> None:
    readings = [
        reading("1924", "a", confidence=0.99),
        reading("1911", "b", confidence=0.5),
        reading("1911", "c", confidence=0.5),
        reading("1930", "d", confidence=0.99, date="2020"),
        reading("", "e"),
    ]
    assert [position.answer for position in group_readings(readings)] == ["1911", "1930", "1924"]


def test_hundreds_of_positions() -> None:
    positions = group_readings([reading(f"{number} crowns", f"d{number}") for number in range(300)])
    assert len(positions) == 300
