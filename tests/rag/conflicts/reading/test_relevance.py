"""Readings that speak of something else."""

from __future__ import annotations

from dataclasses import replace

from rag.conflicts.reading.relevance import MIN_SHARE_OF_SKILL, silence_strays, weigh_words
from rag.core.passages import Passage
from rag.core.verdict import Reading


def passage(name: str, text: str) -> Passage:
    return Passage(f"{name}:0", name, f"{name}.txt", name, text)


def reading(item: Passage, answer: str, quote: str) -> Reading:
    return Reading(item.passage_id, item.doc_id, item.source, item.title, answer, quote)


QUESTION = "How high is the lighthouse of Port Selwick?"
GUIDE = passage("guide", "The lighthouse of Port Selwick is 34 metres high.")
SURVEY = passage("survey", "Port Selwick has a lighthouse. It is 31 metres high, the surveyor found.")
MUSEUM = passage("museum", "The museum of Port Selwick opens at 10 am.")


def test_a_reading_of_another_thing_falls_silent() -> None:
    passages = [GUIDE, MUSEUM]
    readings = [reading(GUIDE, "34 metres", GUIDE.text), reading(MUSEUM, "10 am", MUSEUM.text)]
    assert [item.answer for item in silence_strays(readings, QUESTION, passages)] == ["34 metres", ""]


def test_two_readings_of_one_thing_stay() -> None:
    passages = [GUIDE, passage("other", "In Port Selwick the lighthouse is 31 metres high.")]
    readings = [reading(GUIDE, "34 metres", GUIDE.text), reading(passages[1], "31 metres", passages[1].text)]
    assert all(item.answer for item in silence_strays(readings, QUESTION, passages))


def test_a_skill_is_believed_that_reads_a_sentence_without_the_name() -> None:
    passages = [GUIDE, Passage("other:0", "other", "other.txt", "", SURVEY.text)]
    it = reading(passages[1], "31 metres", "The lighthouse is 31 metres high.")
    readings = [reading(GUIDE, "34 metres", GUIDE.text), it]
    assert silence_strays(readings, QUESTION, passages)[1].answer == ""
    assert silence_strays(readings, QUESTION, passages, MIN_SHARE_OF_SKILL)[1].answer == "31 metres"
    unsure = [replace(reading, confidence=0.6) for reading in readings]
    assert silence_strays(unsure, QUESTION, passages, MIN_SHARE_OF_SKILL)[1].answer == ""


def test_one_reading_stays_whatever_it_covers() -> None:
    readings = [reading(MUSEUM, "10 am", MUSEUM.text)]
    assert silence_strays(readings, QUESTION, [MUSEUM])[0].answer == "10 am"


def test_words_that_every_passage_holds_tell_least() -> None:
    weights = weigh_words(QUESTION, [GUIDE, SURVEY, MUSEUM])
    assert weights["selwick"] < weights["lighthous"] < weigh_words(QUESTION, [GUIDE, MUSEUM, MUSEUM])["lighthous"]


def test_nothing_to_compare() -> None:
    assert silence_strays([], QUESTION, []) == ()
