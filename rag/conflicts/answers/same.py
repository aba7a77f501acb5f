"""Whether two answers say the same: by what they mean, never by the words they share.

Numbers with their units, dates and times of day are compared as values; names by the forms they can take; the rest
word by word. One answer within the other is a fuller form only where the words around it add to it and do not change
it: "April 2003" is a fuller "2003", "Paris, France" a fuller "Paris", but "Not Paris" and "New York" differ from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import permutations
from typing import TypeVar

from rag.conflicts.answers.parts import AnswerParts, parse_answer
from rag.conflicts.answers.wordings import compare_words
from rag.conflicts.values.clocks import Clock, compare_clocks
from rag.conflicts.values.moments import compare_moments
from rag.conflicts.values.quantities import compare_quantities, find_quantities
from rag.conflicts.values.sameness import RANK, Sameness, weakest
from rag.conflicts.values.words import split_words

__all__ = ["Sameness", "fullest", "is_list", "normalize", "same_answer"]

_Value = TypeVar("_Value")
Aliases = Callable[[str], Iterable[str]]
"""Other names of what an answer names, such as those of a graph."""
Judge = Callable[[str, str, str], float]
"""The probability, 0 to 1, that two answers to a question say the same: (one, other, question)."""

# A judge's probability from which two answers are the same. Not chosen on data: the point where "yes" is likelier.
JUDGE_THRESHOLD = 0.5
# A position is shown in its fullest wording of at most this many words; longer ones are sentences.
MAX_WORDS_SHOWN = 8

_POLAR = re.compile(
    r"^\W*(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|may|must|am|isn't|aren't|doesn't)\b",
    re.IGNORECASE,
)
_BETWEEN_ITEMS = re.compile(r"[,;/\u3001\uff0c]|\b(?:and|und|et|y|plus)\b|&")


def same_answer(
    one: str, other: str, question: str = "", *, aliases: Aliases | None = None, judge: Judge | None = None
) -> Sameness:
    """How two answers to a question relate; symmetric.

    Args:
        one, other: the answers, as short texts.
        question: tells a question that asks for yes or no.
        aliases: asked for other names where the rules see a difference of names.
        judge: asked last, and never about numbers, dates, negation, or yes and no, which rules decide.

    Returns:
        ``equal``; ``fuller`` if one is a fuller form of the other; else ``different``.
    """
    sameness, is_decided = _compare(parse_answer(one), parse_answer(other), question)
    if sameness != "different" or is_decided:
        return sameness
    if aliases and _share_alias(one, other, question, aliases):
        return "equal"
    if judge and judge(one, other, question) >= JUDGE_THRESHOLD:
        return "equal"
    return "different"


def normalize(text: str) -> str:
    """The words of an answer in one spelling, without articles; for keys of equal wordings, not for meaning."""
    return " ".join(word.key for word in split_words(text) if not word.is_article)


def is_list(answer: str) -> bool:
    """Whether an answer lists several things."""
    return len(_items(answer)) > 1


def fullest(answers: Sequence[str]) -> str:
    """The wording that says most, sentences left aside if there is a shorter one; the first one of equals.

    Raises:
        ValueError: there are no answers.
    """
    short = [answer for answer in answers if len(split_words(answer)) <= MAX_WORDS_SHOWN] or [min(answers, key=len)]
    return max(short, key=_fullness)


def _fullness(answer: str) -> tuple[int, int]:
    parsed = parse_answer(answer)
    num_fields = sum(moment.num_fields for moment in parsed.moments)
    num_values = num_fields + 2 * len(parsed.clocks) + 2 * len(parsed.quantities)
    return num_values + len(parsed.words), sum(len(word.key) for word in parsed.words)


def _compare(one: AnswerParts, other: AnswerParts, question: str) -> tuple[Sameness, bool]:
    """The sameness, and whether rules decide it for certain."""
    if one.text.strip() == other.text.strip():
        return "equal", True
    if not one.text.strip() or not other.text.strip():
        return "different", True
    if one.polarity or other.polarity:
        polarity = _compare_polarity(one, other, question)
        if polarity is not None:
            return polarity, True
    zero = _compare_zero(one, other)
    if zero is not None:
        return zero, True
    if one.is_negated != other.is_negated:
        return "different", True
    values = _compare_values(one, other)
    if values == "different":
        return "different", True
    if one.has_values and other.has_values and not (one.words and other.words):
        return ("equal" if values == "equal" and not one.words and not other.words else "fuller"), True
    if not (one.has_values and other.has_values) and not (one.words and other.words):
        return "different", True
    words = compare_words(one, other)
    if words == "different":
        words = _compare_lists(one.text, other.text)
    return weakest((values, words)), False


def _compare_polarity(one: AnswerParts, other: AnswerParts, question: str) -> Sameness | None:
    """Answers of which at least one says yes or no; ``None`` where that does not decide."""
    if one.polarity and other.polarity:
        if one.polarity != other.polarity:
            return "different"
        return "equal" if len(one.words) == len(other.words) == 1 else "fuller"
    if not _POLAR.search(question):
        return None
    said, statement = (one, other) if one.polarity else (other, one)
    return "fuller" if (said.polarity == "no") == statement.is_negated else "different"


def _compare_zero(one: AnswerParts, other: AnswerParts) -> Sameness | None:
    """ "None" is the number zero, and no other number."""
    for absent, counted in ((one, other), (other, one)):
        is_absent = [word.key for word in absent.words] in (["none"], ["no"], ["nobody"], ["nothing"])
        if is_absent and not absent.has_values and counted.quantities and not counted.is_negated:
            return "equal" if counted.quantities[0].value == 0 else "different"
    return None


def _compare_values(one: AnswerParts, other: AnswerParts) -> Sameness:
    one, other = _same_reading(one, other), _same_reading(other, one)
    parts = (
        _match(one.moments, other.moments, compare_moments),
        _match(one.clocks, other.clocks, compare_clocks),
        _match(one.quantities, other.quantities, compare_quantities),
    )
    has_other_kind = one.has_values and other.has_values and not _share_kind(one, other)
    return "different" if has_other_kind else weakest(parts)


def _share_kind(one: AnswerParts, other: AnswerParts) -> bool:
    pairs = ((one.moments, other.moments), (one.clocks, other.clocks), (one.quantities, other.quantities))
    return any(a and b for a, b in pairs)


def _same_reading(parsed: AnswerParts, other: AnswerParts) -> AnswerParts:
    """A lone year as a number where the other answer counts; a lone number as an hour where it tells the time."""
    is_count = other.quantities and not other.moments and parsed.moments and not parsed.quantities
    if is_count and all(moment.is_year for moment in parsed.moments):
        numbers = tuple(q for moment in parsed.moments for q in find_quantities(f"{moment.year}."))
        return replace(parsed, moments=(), quantities=numbers)
    if other.clocks and not parsed.clocks and len(parsed.quantities) == 1:
        value = parsed.quantities[0].value
        if not parsed.quantities[0].dimension and value.denominator == 1 and 0 <= value <= 24:
            return replace(parsed, quantities=(), clocks=(Clock(int(value) * 60, value <= 12, 0, 0),))
    return parsed


def _match(one: Sequence[_Value], other: Sequence[_Value], compare: Callable[[_Value, _Value], Sameness]) -> Sameness:
    """Every value of the shorter list must stand in the longer one; more values on one side are a fuller form."""
    short, long = sorted((one, other), key=len)
    if not short:
        return "fuller" if long else "equal"
    rest = list(long)
    parts: list[Sameness] = ["equal" if len(short) == len(long) else "fuller"]
    for value in short:
        best = max(range(len(rest)), key=lambda i: RANK[compare(value, rest[i])])
        parts.append(compare(value, rest.pop(best)))
    return weakest(parts)


def _compare_lists(one: str, other: str) -> Sameness:
    """Answers that list several things, in any order; a part of the list is a shorter form."""
    a, b = _items(one), _items(other)
    if len(a) == len(b) == 1 or max(len(a), len(b)) > 12:
        return "different"
    short, long = sorted((a, b), key=len)
    if all(any(_same_item(item, other_item) for other_item in long) for item in short):
        return "equal" if len(short) == len(long) else "fuller"
    return "equal" if _is_turned(one, other) or _is_turned(other, one) else "different"


def _same_item(one: str, other: str) -> bool:
    """Whether an item of the shorter list is an item of the longer one, there at least as full."""
    if len(_items(one)) > 1 or len(_items(other)) > 1:
        return False
    sameness = _compare(parse_answer(one), parse_answer(other), "")[0]
    return sameness == "equal" or (sameness == "fuller" and _fullness(one) <= _fullness(other))


def _items(text: str) -> list[str]:
    return [item for item in map(str.strip, _BETWEEN_ITEMS.split(text)) if item]


def _is_turned(turned: str, straight: str) -> bool:
    """ "Tolkien, J. R. R." is "J. R. R. Tolkien"."""
    parts = [part.strip() for part in turned.split(",")]
    if len(parts) != 2 or "," in straight:
        return False
    orders = (" ".join(order) for order in permutations(parts))
    return any(_keys(order) == _keys(straight) for order in orders)


def _share_alias(one: str, other: str, question: str, aliases: Aliases) -> bool:
    names, others = (one, *aliases(one)), (other, *aliases(other))
    return any(_compare(parse_answer(a), parse_answer(b), question)[0] == "equal" for a in names for b in others)


def _keys(text: str) -> list[str]:
    return [word.key for word in split_words(text)]
