"""A skill weighs the spans that the encoder's signs find likely."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.conflicts.reading.evidence import Page
from rag.conflicts.reading.reader import build_page
from rag.conflicts.reading.spans import split_sentences
from rag.conflicts.reading.weigh import MAX_SPANS, likely_spans, log_probability, settle
from rag.core.answer import Step
from rag.core.verdict import Reading
from rag.generation.base import Generation

QUESTION = "Who is the harbour master of Port Selwick?"
TEXT = "The harbour master of Port Selwick is Edda Lindqvist. Tomas Orrel runs the fish market."
SILENT = Reading("p:0", "p", "p.txt", "", "", confidence=0.0)
READ = replace(SILENT, answer="Tomas Orrel", quote="Tomas Orrel runs the fish market.", confidence=0.7)


def read(text: str = TEXT, question: str = QUESTION) -> Page:
    sentences = split_sentences(text)
    return build_page(question, sentences, [0.6 - 0.4 * number for number in range(len(sentences))], {})


def said(logprob: float) -> Generation:
    """A reply of two tokens."""
    step = Step("w", 5, 0.0, None, 1.0, 0.0, None, None, logprob / 2, None, None, None)
    return Generation("w", (5,), (step, step), "stop")


def weigh(page: Page, answer: str, logprob: float, others: float = -9.0) -> tuple[list[int], list[Generation]]:
    """All candidates as likely as ``others``, the one with this text as likely as ``logprob``."""
    places = list(likely_spans(QUESTION, page))
    return places, [said(logprob if page.candidates[place][0].text == answer else others) for place in places]


def test_the_likeliest_spans_come_first_and_are_few() -> None:
    page = read(TEXT + "".join(f" Then came Anna Berg{number} and left." for number in range(20)))
    places = likely_spans(QUESTION, page)
    assert len(places) == MAX_SPANS
    assert page.candidates[places[0]][0].text == "Edda Lindqvist"


@pytest.mark.parametrize("question", ["Is Edda Lindqvist the harbour master?", "Does Tomas Orrel run it?"])
def test_yes_and_no_are_no_spans(question: str) -> None:
    assert likely_spans(question, read(question=question)) == ()


def test_the_probability_of_a_reply_is_that_of_all_its_tokens() -> None:
    assert log_probability(said(-3.0)) == pytest.approx(-3.0)
    assert log_probability(Generation("", (), (), "stop")) == 0.0


def test_a_likelier_span_takes_the_place_of_what_the_skill_wrote() -> None:
    page = read()
    places, replies = weigh(page, "Edda Lindqvist", -2.0)
    settled = settle(QUESTION, page, READ, said(-2.0), places, replies)
    assert settled.answer == "Edda Lindqvist"
    assert settled.quote == "The harbour master of Port Selwick is Edda Lindqvist."
    assert settled.confidence == READ.confidence


def test_a_reply_that_the_skill_is_far_surer_of_stays() -> None:
    page = read()
    places, replies = weigh(page, "Tomas Orrel", -0.01, others=-40.0)
    assert settle(QUESTION, page, READ, said(-0.01), places, replies) == READ


def test_the_encoders_choice_gives_way_to_what_the_skill_finds_likelier() -> None:
    page = read()
    encoder = replace(READ, answer="Edda Lindqvist", quote="The harbour master of Port Selwick is Edda Lindqvist.")
    places, replies = weigh(page, "Tomas Orrel", -0.1, others=-40.0)
    assert settle(QUESTION, page, encoder, None, places, replies).answer == "Tomas Orrel"


def test_a_silent_passage_stays_silent() -> None:
    page = read()
    places, replies = weigh(page, "Edda Lindqvist", -0.1)
    assert settle(QUESTION, page, SILENT, None, places, replies) == SILENT
    assert settle(QUESTION, page, READ, said(-9.0), (), ()) == READ
