"""Passages that say the same as another one, and would be left out: each counts as a source of that answer.

A passage is read alone. So the skill may find nothing where it says "he", and a reading is taken for a stray
(:mod:`rag.conflicts.reading.relevance`) whose sentence names nothing of the question. What another passage answers is
good reason to look again. Only an answer that stands is looked for, so nothing new is said: its sources are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.conflicts.answers.same import same_answer
from rag.conflicts.reading.evidence import MIN_CHANCE, Page, score_spans, softmax
from rag.conflicts.reading.support import is_negated
from rag.conflicts.verdict.question import read_question
from rag.core.verdict import Reading

# A span gives another passage's answer if it is at least this share as probable as the best span of its passage.
# Chosen on even-numbered rows of RAMDocs: from .5 to .01 the figures hardly change.
MIN_SHARE = 0.2
# Of hundreds of passages only so many answers are looked for, those of the best passages: each is compared with many.
MAX_ANSWERS = 20


def keep_agreeing(question: str, read: Sequence[Reading], kept: Sequence[Reading]) -> tuple[Reading, ...]:
    """``kept``, and the readings that were silenced though they say what one of ``kept`` says.

    Not of a question for yes or no: any passage can say that.

    Args:
        question: what they answer.
        read: all readings.
        kept: the same, aligned, without an answer where it was taken for a stray.
    """
    said = [] if read_question(question).is_polar else _answers(kept)
    return tuple(
        one if not other.answer and one.answer and _is_said(one.answer, said, question) else other
        for one, other in zip(read, kept, strict=True)
    )


def corroborate(
    question: str, readings: Sequence[Reading], pages: Sequence[Page], chances: Sequence[float]
) -> tuple[Reading, ...]:
    """The readings; a silent one gives another one's answer if a likely span of its page is that answer.

    Args:
        question: what they answer.
        readings: of all passages.
        pages: of the same passages.
        chances: the probability of each page that its passage answers at all.
    """
    said = _answers(readings)
    return tuple(
        _find(question, reading, page, chance, said)
        if said and not reading.answer and chance >= MIN_CHANCE
        else reading
        for reading, page, chance in zip(readings, pages, chances, strict=True)
    )


def _find(question: str, reading: Reading, page: Page, chance: float, said: Sequence[str]) -> Reading:
    shares = softmax(score_spans(question, page))
    likely = [place for place, share in enumerate(shares) if share >= MIN_SHARE * max(shares)]
    for place in sorted(likely, key=lambda place: -shares[place]):
        span, index = page.candidates[place]
        quote = page.sentences[index].text
        if is_negated(quote) == is_negated(question) and _is_said(span.text, said, question):
            return replace(reading, answer=span.text, quote=quote, confidence=chance * shares[place])
    return reading


def _answers(readings: Sequence[Reading]) -> list[str]:
    return list(dict.fromkeys(reading.answer for reading in readings if reading.answer))[:MAX_ANSWERS]


def _is_said(text: str, said: Sequence[str], question: str) -> bool:
    return any(same_answer(text, answer, question) != "different" for answer in said)
