"""Passages that say what another one says count as its sources."""

from __future__ import annotations

from dataclasses import replace

from rag.conflicts.reading.corroborate import corroborate, keep_agreeing
from rag.conflicts.reading.evidence import Page
from rag.conflicts.reading.reader import build_page
from rag.conflicts.reading.spans import split_sentences
from rag.core.verdict import Reading

QUESTION = "When was the mill of Port Selwick built?"
READ = Reading("a:0", "a", "a.txt", "", "1902", quote="The mill of Port Selwick was built in 1902.", confidence=0.9)
OTHER = Reading("b:0", "b", "b.txt", "", "1885", quote="It was painted in 1885.", confidence=0.9)
SILENT = Reading("c:0", "c", "c.txt", "", "", confidence=0.0)


def page(text: str, question: str = QUESTION) -> Page:
    sentences = split_sentences(text)
    return build_page(question, sentences, [0.6] * len(sentences), {})


def silenced(reading: Reading) -> Reading:
    return replace(reading, answer="", quote="")


def test_a_stray_that_agrees_is_none() -> None:
    agreeing = replace(OTHER, answer="in 1902", quote="It was finished in 1902.")
    read, kept = (READ, agreeing, OTHER), (READ, silenced(agreeing), silenced(OTHER))
    assert keep_agreeing(QUESTION, read, kept) == (READ, agreeing, silenced(OTHER))


def test_what_was_silent_stays_silent() -> None:
    assert keep_agreeing(QUESTION, (SILENT, READ), (SILENT, READ)) == (SILENT, READ)
    strays = (silenced(READ), silenced(OTHER))
    assert keep_agreeing(QUESTION, (READ, OTHER), strays) == strays


def test_yes_and_no_agree_by_chance() -> None:
    yes, stray = replace(READ, answer="Yes"), replace(OTHER, answer="Yes")
    kept = (yes, silenced(stray))
    assert keep_agreeing("Was the mill of Port Selwick built in 1902?", (yes, stray), kept) == kept


def find(text: str, chance: float = 0.6) -> Reading:
    found = corroborate(QUESTION, (READ, SILENT), (page(READ.quote), page(text)), (0.9, chance))
    assert found[0] == READ
    return found[1]


def test_a_likely_span_that_is_the_answer_counts() -> None:
    reading = find("The old mill has two wheels. Its builder finished it in March 1902 for the town.")
    assert (reading.answer, reading.passage_id) == ("March 1902", "c:0")
    assert reading.quote == "Its builder finished it in March 1902 for the town."
    assert 0 < reading.confidence < 0.6


def test_nothing_new_is_said() -> None:
    assert find("The old mill has two wheels. Its builder finished it in March 1885 for the town.") == SILENT


def test_a_passage_that_hardly_answers_is_left_alone() -> None:
    assert find("Its builder finished it in March 1902 for the town.", chance=0.1) == SILENT


def test_a_denial_is_no_source() -> None:
    assert find("Its builder did not finish it in March 1902 for the town.") == SILENT


def test_without_an_answer_there_is_nothing_to_look_for() -> None:
    pages = (page("The mill was built in 1902."), page("It was built in 1902."))
    assert corroborate(QUESTION, (SILENT, SILENT), pages, (0.9, 0.9)) == (SILENT, SILENT)
