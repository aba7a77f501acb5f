"""An answer taken apart: the numbers, dates and times in it, its other words, and whether it says yes or no."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rag.conflicts.values.clocks import Clock, find_clocks
from rag.conflicts.values.moments import Moment, find_moments
from rag.conflicts.values.quantities import Quantity, find_quantities
from rag.conflicts.values.words import FUNCTION_WORDS, Word, has_negation, split_words, word_list, word_set

_YES = word_set("yes yeah yep true correct right indeed 是 对 はい 예 네 да oui ja si")
_NO = word_set("no nope false incorrect wrong untrue 不 否 いいえ 아니요 нет non nein")
# "World War II", "Henry VIII": a Roman number after a name.
_ROMAN_NUMBERS = dict(
    zip(
        word_list("I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX XXI"),
        range(1, 22),
        strict=True,
    )
)
_ROMAN = re.compile(rf"(?<=[a-z]\s)({'|'.join(_ROMAN_NUMBERS)})(?![\w'.-])")
_QUOTES = "\"'\u201c\u201d\u2018\u2019\u00ab\u00bb.,;: "


@dataclass(frozen=True)
class AnswerParts:
    """An answer as values and words.

    Attributes:
        text: as written.
        moments, clocks, quantities: dates, times of day, numbers.
        words: all others, without small words at both ends.
        is_negated: it denies.
        polarity: ``yes``, ``no``, or empty where it opens with neither.
    """

    text: str
    moments: tuple[Moment, ...]
    clocks: tuple[Clock, ...]
    quantities: tuple[Quantity, ...]
    words: tuple[Word, ...]
    is_negated: bool
    polarity: str

    @property
    def has_values(self) -> bool:
        """A number, a date or a time stands in it."""
        return bool(self.moments or self.clocks or self.quantities)


@lru_cache(maxsize=20_000)
def parse_answer(text: str) -> AnswerParts:
    """An answer, taken apart."""
    bare = _ROMAN.sub(lambda match: str(_ROMAN_NUMBERS[match[1]]), text.strip().strip(_QUOTES))
    moments = find_moments(bare)
    clocks = tuple(clock for clock in find_clocks(bare) if not _overlaps(clock, moments))
    taken: tuple[Moment | Clock, ...] = (*moments, *clocks)
    quantities = tuple(quantity for quantity in find_quantities(bare) if not _overlaps(quantity, taken))
    all_words = split_words(bare)
    words = _trim(split_words(_without(bare, (*taken, *quantities))))
    if not words and not taken and not quantities:
        words = all_words
    keys = [word.key for word in all_words]
    polarity = "yes" if keys and keys[0] in _YES else "no" if keys and keys[0] in _NO else ""
    return AnswerParts(text, moments, clocks, quantities, words, has_negation(all_words), polarity)


def _trim(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Without the small words at both ends."""
    start, end = 0, len(words)
    while start < end and words[start].key in FUNCTION_WORDS and not words[start].is_initial:
        start += 1
    while end > start and words[end - 1].key in FUNCTION_WORDS:
        end -= 1
    return words[start:end]


def _overlaps(part: Clock | Quantity, others: Iterable[Moment | Clock]) -> bool:
    return any(part.start < other.end and other.start < part.end for other in others)


def _without(text: str, parts: Iterable[Moment | Clock | Quantity]) -> str:
    for part in parts:
        text = text[: part.start] + " " * (part.end - part.start) + text[part.end :]
    return text
