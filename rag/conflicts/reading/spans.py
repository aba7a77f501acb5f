"""Sentences of a passage, and the spans in them that can answer a question: names, dates, numbers, noun phrases.

Rules only, no model. What a question asks for decides which spans are candidates: who a name, when a date, how many a
number, anything else all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Literal

from kg.names import canonical, names_in
from kg.stems import stems
from rag.conflicts.sentences import statement_spans
from rag.core.english import FUNCTION_WORDS

SpanKind = Literal["date", "number", "name", "phrase"]
AnswerKind = Literal["person", "time", "place", "number", "any"]

MAX_SENTENCE_WORDS = 60
_MAX_PHRASE_WORDS = 4

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan\.?|Feb\.?|Mar\.?|Apr\.?|Jun\.?|Jul\.?|Aug\.?|Sept?\.?|Oct\.?|Nov\.?|Dec\.?)"
)
# "May" alone is a verb too.
_LONG_MONTH = r"(?:January|February|March|April|June|July|August|September|October|November|December)"
_YEAR = r"(?:1\d{3}|20\d\d)"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"\b(?:{_MONTH}\s+{_DAY}(?:\s*,)?\s+{_YEAR}|{_DAY}(?:\s+of)?\s+{_MONTH}(?:\s*,)?\s+{_YEAR}"
    rf"|{_MONTH}(?:\s*,)?\s+{_YEAR}|{_MONTH}\s+{_DAY}|{_DAY}(?:\s+of)?\s+{_MONTH}"
    rf"|\d{{4}}-\d\d-\d\d|(?:the\s+)?(?:early|mid|late)?[\s-]?{_YEAR}s|{_YEAR}\s*(?:-|\u2013|to|and)\s*{_YEAR}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)\s+centur(?:y|ies)|{_YEAR}|\d{{1,4}}\s+(?:BCE?|AD|CE)"
    rf"|{_LONG_MONTH}(?:\s+(?:and|to|until|or)\s+{_LONG_MONTH})?)\b"
)
_CLOCK = re.compile(
    r"\b\d{1,2}(?:[:.]\d\d)?\s*(?:[ap]\.?m\b\.?|o'clock)|\b\d{1,2}:\d\d\b|\b(?:noon|midnight)\b", re.IGNORECASE
)
_PART_OF_DAY = re.compile(r"\s+(?:in\s+the\s+(?:morning|afternoon|evening)|at\s+night)\b", re.IGNORECASE)
_WEEKDAY = re.compile(
    r"\b(?:the\s+)?(?:(?:first|second|third|fourth|last)\s+)?(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
    rf"(?:\s+(?:of|in)\s+(?:the\s+month|{_LONG_MONTH}))?\b"
)
_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen"
    "|half|thirds?|quarters?|fifths?|tenths?"
)
_NUMBER = re.compile(
    rf"[$\u20ac\u00a3]?\b(?:\d{{1,3}}(?: \d{{3}})+\b|\d[\d,]*)(?:\.\d+)?(?:\s*%|(?:\s+(?:{_NUMBER_WORDS}))*)"
    rf"|\b(?:{_NUMBER_WORDS})(?:[\s-](?:{_NUMBER_WORDS}))*\b",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s+([A-Za-z][\w/\u00b2\u00b3-]*)")
_WORD = re.compile(r"\w+(?:['\u2019.\-&]\w+)*")
_PIECE = re.compile(r"\s+(?:and|in|on|at|for|to|&)\s+|,\s+")

# The first word that asks decides; after "what", "which" and "how" the words that follow it.
_ASKS = re.compile(r"\b(who|whom|whose|when|where|what|which|how|why)\b")
_BY_WORD: dict[str, AnswerKind] = {
    "who": "person",
    "whom": "person",
    "whose": "person",
    "when": "time",
    "where": "place",
}
_BY_NOUN: tuple[tuple[AnswerKind, re.Pattern[str]], ...] = (
    (
        "number",
        re.compile(
            r"^how (?:many|much|old|long|far|tall|high|large|big|deep|often|fast)\b"
            r"|\b(?:population|number of|percentage|median age|elevation|atomic number|total area)\b"
        ),
    ),
    (
        "time",
        re.compile(
            r"^(?:what|which) (?:year|date|day|month|century|decade|time)\b|\b(?:birth ?date|date of|what year)\b"
        ),
    ),
    (
        "place",
        re.compile(
            r"^(?:what|which) (?:\w+ )?(?:city|country|state|town|county|place|region|province|continent|island)\b"
        ),
    ),
)


@dataclass(frozen=True)
class Sentence:
    """A sentence and where it stands in its passage, end excluded."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Span:
    """A piece of a passage that can be an answer.

    Attributes:
        text: as the passage words it.
        start, end: its place in the passage, end excluded.
        kind: what it looks like.
    """

    text: str
    start: int
    end: int
    kind: SpanKind


def answer_kind(question: str) -> AnswerKind:
    """What a question asks for, by its words.

    >>> answer_kind("When was the bridge opened?")
    'time'
    """
    words = " ".join(question.lower().split())
    first = _ASKS.search(words)
    if first and first.group(1) in _BY_WORD:
        return _BY_WORD[first.group(1)]
    asked = words[first.start() :] if first else words
    return next((kind for kind, pattern in _BY_NOUN if pattern.search(asked)), "any")


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of a passage (:mod:`rag.conflicts.sentences`). Very long ones are cut."""
    return [piece for start, end in statement_spans(text) for piece in _pieces(text, start, end)]


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    """One sentence, cut where it has more than :data:`MAX_SENTENCE_WORDS` words."""
    words = list(re.finditer(r"\S+", text[start:end]))
    for first in range(0, len(words), MAX_SENTENCE_WORDS):
        chunk = words[first : first + MAX_SENTENCE_WORDS]
        left, right = start + chunk[0].start(), start + chunk[-1].end()
        yield Sentence(text[left:right], left, right)


def find_spans(question: str, sentence: Sentence) -> list[Span]:
    """The spans of a sentence that can answer ``question``, each once, by place.

    A span whose words the question holds is no answer, nor a name of which it holds most: that is what is asked about,
    or something beside it.
    """
    asked = set(canonical(question).split())
    spans: dict[tuple[int, int], Span] = {}
    for finder in _FINDERS[answer_kind(question)]:
        for span in finder(sentence):
            words = set(canonical(span.text).split()) - FUNCTION_WORDS
            if words and not words <= asked and not _is_asked_about(span, words, asked):
                spans.setdefault((span.start, span.end), span)
    return sorted(spans.values(), key=lambda span: (span.start, span.end))


def _shift(sentence: Sentence, start: int, end: int, kind: SpanKind) -> Span:
    text = sentence.text[start:end]
    left, right = len(text) - len(text.lstrip(" ,;:-")), len(text.rstrip(" ,;:-"))
    return Span(text[left:right], sentence.start + start + left, sentence.start + start + right, kind)


def _dates(sentence: Sentence) -> Iterator[Span]:
    """Dates, weekdays and times of day."""
    for pattern in (_DATE, _WEEKDAY):
        for match in pattern.finditer(sentence.text):
            yield _shift(sentence, match.start(), match.end(), "date")
    for match in _CLOCK.finditer(sentence.text):
        part = _PART_OF_DAY.match(sentence.text, match.end())
        yield _shift(sentence, match.start(), part.end() if part else match.end(), "date")


def _numbers(sentence: Sentence) -> Iterator[Span]:
    """Numbers with their unit: a price, a share, or the word that is counted."""
    for match in _NUMBER.finditer(sentence.text):
        unit = _UNIT.match(sentence.text, match.end())
        is_unit = unit is not None and unit.group(1).lower() not in FUNCTION_WORDS
        yield _shift(sentence, match.start(), unit.end() if unit and is_unit else match.end(), "number")


def _names(sentence: Sentence) -> Iterator[Span]:
    """The longest names, and their parts between "and", "in" and commas."""
    for start, end in _longest((span.start, span.end) for span in names_in(sentence.text)):
        if _WEEKDAY.match(sentence.text, start) or _DATE.match(sentence.text, start):
            continue
        yield _shift(sentence, start, end, "name")
        text, left = sentence.text[start:end], start
        cuts = [*_PIECE.finditer(text)]
        for cut in cuts:
            yield _shift(sentence, left, start + cut.start(), "name")
            left = start + cut.end()
        if cuts:
            yield _shift(sentence, left, end, "name")


def _phrases(sentence: Sentence) -> Iterator[Span]:
    """Runs of content words, whole and as their last words: without a parser, the nearest to a noun phrase."""
    run: list[re.Match[str]] = []
    for word in [*_WORD.finditer(sentence.text), None]:
        touches = word is not None and bool(run) and sentence.text[run[-1].end() : word.start()].isspace()
        if run and not (touches and word is not None and word.group().lower() not in FUNCTION_WORDS):
            yield from (
                _shift(sentence, first.start(), run[last].end(), "phrase")
                for last in range(len(run))
                for first in run[max(0, last + 1 - _MAX_PHRASE_WORDS) : last + 1]
                if last == len(run) - 1 or first is run[0]
            )
            run = []
        if word is not None and word.group().lower() not in FUNCTION_WORDS:
            run.append(word)


def _is_asked_about(span: Span, words: Set[str], asked: Set[str]) -> bool:
    """Whether a name or a phrase is that of the question, or is built around it."""
    if span.kind == "phrase":
        return len(words & asked) >= len(words) / 2
    return span.kind == "name" and len(words & asked) > len(words) / 2


_FINDERS: dict[AnswerKind, tuple[Callable[[Sentence], Iterator[Span]], ...]] = {
    "time": (_dates, _numbers),
    "number": (_numbers,),
    "person": (_names, _phrases),
    "place": (_names, _phrases),
    "any": (_dates, _numbers, _names, _phrases),
}


def _longest(places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Places that lie in no other one."""
    end = -1
    for start, stop in sorted(places, key=lambda place: (place[0], -place[1])):
        if stop > end:
            yield start, stop
            end = stop


def coverage(question: str, text: str) -> float:
    """Share of the question's content words that ``text`` holds, 0 to 1."""
    asked = set(stems(question))
    return len(asked & set(stems(text))) / len(asked) if asked else 0.0
