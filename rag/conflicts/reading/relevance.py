"""Readings that speak of something else: their sentence lacks what another one's sentence has of the question.

A reader that must answer finds an answer in any passage. Words of the question that every passage holds tell nothing;
those that few hold tell which passages speak of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kg.stems import stems
from rag.core.passages import Passage
from rag.core.verdict import Reading

# A reading counts that covers at least this share of what the best one covers.
MIN_SHARE = 0.6
# The same for a reader skill, which may say that a passage does not answer: its answers are strays less often, and many
# right ones stand in a sentence that says "he" or "it". Chosen on even-numbered rows of RAMDocs. Only where it is sure:
# of a page of rules it says that "Licences" is the harbour master, with .64.
MIN_SHARE_OF_SKILL = 0.3
SURE_FROM = 0.8


def silence_strays(
    readings: Sequence[Reading], question: str, passages: Sequence[Passage], min_share: float = MIN_SHARE
) -> tuple[Reading, ...]:
    """The readings; those that speak of something else have no answer any more.

    Args:
        readings: aligned with ``passages``.
        question: what they answer.
        passages: where they were read.
        min_share: of what the best reading covers, 0 to 1; one that is sure and covers less is a stray. Others need
            at least ``MIN_SHARE``.
    """
    weights = weigh_words(question, passages)
    shares = [
        weighted_coverage(f"{passage.title} {passage.heading} {reading.quote}", weights) if reading.answer else 0.0
        for reading, passage in zip(readings, passages, strict=True)
    ]
    best = max(shares, default=0.0)
    return tuple(
        replace(reading, answer="", quote="")
        if reading.answer and share < _needed(reading, min_share) * best
        else reading
        for reading, share in zip(readings, shares, strict=True)
    )


def _needed(reading: Reading, min_share: float) -> float:
    return min_share if reading.confidence >= SURE_FROM else max(min_share, MIN_SHARE)


def weigh_words(question: str, passages: Sequence[Passage]) -> dict[str, float]:
    """Words of the question by stem, and how much each tells: the fewer passages hold it, the more.

    Source: inverse document frequency (Spärck Jones 1972), over the passages of one question.
    """
    held = [set(stems(f"{passage.title} {passage.heading} {passage.text}")) for passage in passages]
    counts = {word: sum(word in words for words in held) for word in stems(question)}
    return {word: math.log((len(held) + 1) / (count + 0.5)) for word, count in counts.items() if count}


def weighted_coverage(text: str, weights: Mapping[str, float]) -> float:
    """The share of the question's words that a text holds, by their weights, 0 to 1."""
    words, total = set(stems(text)), sum(weights.values())
    return sum(weight for word, weight in weights.items() if word in words) / total if total else 0.0
