"""Which span of a passage a skill and the encoder's signs hold for the answer together.

A reader skill writes one reply, and the encoder's signs choose one span. Each is often wrong where the other is right.
A span's score by its signs (:mod:`rag.conflicts.reading.evidence`) and the probability of its words as the skill's
reply say more together. So the skill weighs the likeliest spans too, in the batch that reads the passage.

Source: a product of experts (Hinton 2002) over the spans of a passage; the experts are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.conflicts.answers.same import normalize
from rag.conflicts.reading.evidence import Page, score_spans
from rag.conflicts.verdict.question import read_question
from rag.core.verdict import Reading
from rag.generation.base import Generation

MAX_SPANS = 8
# What a log probability of the skill counts beside one of the signs. Chosen, as the other constants here, on rows of
# nq_synth that benchmarks/skills.py --pairs 60 leaves out, and on rows of squad2 and RAMDocs. On squad2 more would
# be better: the skill learnt from its like.
SKILL_WEIGHT = 0.5
# The signs of a reply that is no candidate: those of the best candidate that shares its words, less this.
_NO_SPAN = 0.7
_NOWHERE = -5.0
# A longer span is hardly an answer, and costs a step of the batch for each token.
_MAX_WORDS = 10


@dataclass(frozen=True)
class Weighed:
    """A candidate with what both hold of it.

    Attributes:
        place: index into the page's candidates.
        signs: log probability among the candidates of its page, by the encoder's signs.
        spoken: log probability of the whole reply, by the skill.
    """

    place: int
    signs: float
    spoken: float

    @property
    def total(self) -> float:
        """By which candidates are compared."""
        return self.signs + SKILL_WEIGHT * self.spoken


def likely_spans(question: str, page: Page) -> tuple[int, ...]:
    """The places of the candidates that a skill should weigh, the likeliest first; none for a yes-or-no question."""
    if read_question(question).is_polar:
        return ()
    scores = score_spans(question, page)
    short = [place for place, (span, _) in enumerate(page.candidates) if len(span.text.split()) <= _MAX_WORDS]
    return tuple(sorted(short, key=lambda place: (-scores[place], place))[:MAX_SPANS])


def settle(
    question: str,
    page: Page,
    reading: Reading,
    reply: Generation | None,
    places: Sequence[int],
    said: Sequence[Generation],
) -> Reading:
    """The reading with the best answer of its page: its own, or one of the candidates that were weighed.

    Whether the passage answers at all, and how sure that is, stays as it was read.

    Args:
        reading: what was read so far.
        reply: by which the skill made the reading; ``None`` where the encoder did.
        places: of the candidates (:func:`likely_spans`).
        said: the generations that say them, aligned.
    """
    if not reading.answer or not places:
        return reading
    signs = _log_shares(score_spans(question, page))
    weighed = [Weighed(place, signs[place], log_probability(one)) for place, one in zip(places, said, strict=True)]
    best = max(weighed, key=lambda one: one.total)
    span, index = page.candidates[best.place]
    is_same = normalize(span.text) == normalize(reading.answer)
    if is_same or (reply is not None and best.total <= _weigh_reply(reading.answer, reply, page, signs)):
        return reading
    return replace(reading, answer=span.text, quote=page.sentences[index].text)


def log_probability(generation: Generation) -> float:
    """Of all tokens of a generation, its end included, by the stream that read the passage."""
    return sum(step.context_logprob or 0.0 for step in generation.steps)


def _weigh_reply(answer: str, reply: Generation, page: Page, signs: Sequence[float]) -> float:
    """The total of what the skill wrote itself; it may be no candidate, or more than one, or a part of one."""
    words = f" {normalize(answer)} "
    near = [
        sign - (_NO_SPAN if text != words else 0.0)
        for sign, text in zip(signs, (f" {normalize(span.text)} " for span, _ in page.candidates), strict=True)
        if text in words or words in text
    ]
    return max(near, default=_NOWHERE) + SKILL_WEIGHT * log_probability(reply)


def _log_shares(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    total = top + math.log(sum(math.exp(score - top) for score in scores))
    return [score - total for score in scores]
