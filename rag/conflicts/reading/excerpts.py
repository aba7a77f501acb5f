"""Excerpts: of each passage the sentences that are nearest to the question, so that a model reads fewer tokens.

A sentence is as near as the reader of passages finds it (:func:`rag.conflicts.reading.reader.find_nearness`): by its
cosine, and by the question's words that it holds. All passages of a question share one budget, so a passage about
something else gives its room to the others. Each keeps its nearest sentence. Headings stay out as long as there are
sentences: the prompt names title and headings anyway.

Source: extractive compression as in RECOMP (Xu et al. 2023), with an encoder that was not trained for it; the shared
budget and the sentences before pronouns are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from rag.conflicts.reading.reader import encode_sentences, find_nearness
from rag.conflicts.reading.relevance import weigh_words
from rag.conflicts.reading.spans import Sentence
from rag.conflicts.sentences import is_heading
from rag.core.encoding import Encoder
from rag.core.english import REFERRING
from rag.core.passages import Passage

# Between sentences that are no neighbours.
GAP = " ... "
# The sentences of a passage, and their cosines with the question.
Scored = tuple[list[Sentence], list[float]]


def cut_excerpts(
    questions: Sequence[str], passages: Sequence[Sequence[Passage]], shares: Sequence[float], encoder: Encoder
) -> list[tuple[Passage, ...]]:
    """The passages of each question with the text of their excerpts; all else stays. One call of the encoder.

    Args:
        questions: what is asked.
        passages: of each question, best first.
        shares: for each question, how much of its passages' text is left, above 0 and up to 1, in characters. The
            nearest sentence of a passage stays even where it is longer than that.
        encoder: for questions and sentences.
    """
    pages = iter(encode_sentences(questions, passages, encoder))
    return [
        _cut(question, row, list(islice(pages, len(row))), share)
        for question, row, share in zip(questions, passages, shares, strict=True)
    ]


def _cut(question: str, passages: Sequence[Passage], pages: Sequence[Scored], share: float) -> tuple[Passage, ...]:
    """The excerpts of one question's passages."""
    weights = weigh_words(question, passages)
    ranked: list[tuple[bool, float, int, int]] = []
    for row, (passage, (sentences, cosines)) in enumerate(zip(passages, pages, strict=True)):
        nearness = find_nearness(sentences, cosines, weights)
        ranked += [
            (is_heading(sentence.text, passage.title), -near, row, number)
            for number, (sentence, near) in enumerate(zip(sentences, nearness, strict=True))
        ]
    places = [(row, number) for *_, row, number in sorted(ranked)]
    chosen = _choose([sentences for sentences, _ in pages], places, share)
    return tuple(_shorten(one, page, kept) for one, (page, _), kept in zip(passages, pages, chosen, strict=True))


def _choose(pages: Sequence[Sequence[Sentence]], places: Sequence[tuple[int, int]], share: float) -> list[set[int]]:
    """Which sentences of each passage stay; ``places`` are (passage, number of its sentence), the nearest first."""
    budget = share * sum(len(sentence.text) for page in pages for sentence in page)
    nearest = dict(reversed(places))  # of each passage
    chosen: list[set[int]] = [set() for _ in pages]
    used = 0
    for row, number in (*nearest.items(), *places):
        new = {each for each in _with_antecedent(pages[row], number) if each not in chosen[row]}
        length = sum(len(pages[row][each].text) for each in new)
        if not chosen[row] or used + length <= budget:
            chosen[row] |= new
            used += length
    return chosen


def _with_antecedent(page: Sequence[Sentence], number: int) -> tuple[int, ...]:
    """A sentence; with the one before it, where it begins with a word that refers to that."""
    first = page[number].text.split(maxsplit=1)[0].lower()
    return (number - 1, number) if number and first in REFERRING else (number,)


def _shorten(passage: Passage, page: Sequence[Sentence], kept: set[int]) -> Passage:
    """The passage with these sentences alone; neighbours stand together as in its text."""
    if len(kept) == len(page):
        return passage
    text = ""
    for number in sorted(kept):
        gap = passage.text[page[number - 1].end : page[number].start] if number - 1 in kept else GAP
        text += (gap if text else "") + page[number].text
    return replace(passage, text=text)
