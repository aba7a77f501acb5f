"""Questions that ask for a phrase in words near to its own, as a reader would.

A reader's question is shorter than the sentence, begins with a question word, and names what stands near the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.core.english import AUXILIARIES
from rag.patches.questions.spans import Span, is_content, join_words

_PLACE = frozenset(["in", "at", "near", "from", "to", "into", "outside", "inside", "around"])
_BREAKS = frozenset(',;:()[].-\u2013\u2014"')
_YEAR = re.compile(r"(?:1\d{3}|20\d\d)(?:s)?|\d{1,2}th.*|.*\b(?:1\d{3}|20\d\d)")
_NEAR_BEFORE, _NEAR_AFTER = 7, 5
_LONG_BEFORE, _LONG_AFTER = 14, 8
_MAX_SUBJECT = 6


def phrase_questions(span: Span, limit: int) -> list[str]:
    """Up to ``limit`` questions that ask for a span."""
    return list(dict.fromkeys(_questions(span)))[:limit]


def _questions(span: Span) -> Iterator[str]:
    word = _question_word(span)
    before = _back(span.words[: span.first], _NEAR_BEFORE)
    after = _ahead(span.words[span.end :], _NEAR_AFTER)
    if not before:
        yield _ask([word, *_ahead(span.words[span.end :], _LONG_AFTER)])
    else:
        yield _ask([word, *_fronted(_named(span, before)), *after])
    long = _back(span.words[: span.first], _LONG_BEFORE)
    yield _ask([*long, word.lower() if long else word, *_ahead(span.words[span.end :], _LONG_AFTER)])
    others = [w for w in (*span.words[: span.first], *span.words[span.end :]) if is_content(w)]
    yield _ask([word, *_fronted(others[: len(others) // 2 + 1][-6:])])
    yield _ask([word, *others[len(others) // 2 :][:6]])


def _question_word(span: Span) -> str:
    answer, is_name = span.answer, span.answer[0].isupper()
    if _YEAR.fullmatch(answer):
        return "When"
    if answer[0].isdigit() or answer[0] in "$\u00a3\u20ac":
        return "How many" if len(answer.split()) == 1 else "How much"
    if is_name and span.last_word in _PLACE:
        return "Where"
    if is_name and len(answer.split()) > 1:
        return "Who"
    return "What"


def _named(span: Span, before: Sequence[str]) -> list[str]:
    """What stands before the answer, after the sentence's subject and its auxiliary."""
    missing = span.words[: span.first - len(before)]
    end = next((place for place, word in enumerate(missing) if is_content(word)), len(missing))
    while end < len(missing) and is_content(missing[end]):
        end += 1
    has_auxiliary = end < len(missing) and missing[end] in AUXILIARIES
    return [*missing[: min(end, _MAX_SUBJECT)], *(missing[end : end + 1] if has_auxiliary else ()), *before]


def _fronted(words: Sequence[str]) -> list[str]:
    """The first auxiliary goes to the front; without one, "did" does. A function word begins in lower case."""
    words = [words[0].lower(), *words[1:]] if words and not is_content(words[0]) else words
    for place, word in enumerate(words):
        if word in AUXILIARIES:
            return [word, *words[:place], *words[place + 1 :]]
    return ["did", *words]


def _back(words: Sequence[str], limit: int) -> list[str]:
    """The last words, from the last break in them on if enough stands behind it."""
    near = list(words[-limit:])
    for place in range(len(near) - 4, -1, -1):
        if near[place] in _BREAKS:
            return near[place + 1 :]
    return near


def _ahead(words: Sequence[str], limit: int) -> list[str]:
    near = list(words[:limit])
    for place, word in enumerate(near):
        if word in _BREAKS:
            return near[:place]
    return near


def _ask(words: Sequence[str]) -> str:
    text = join_words([word for word in words if word not in '()[]"']).rstrip(",;:- ")
    return f"{text[0].upper()}{text[1:]}?"
