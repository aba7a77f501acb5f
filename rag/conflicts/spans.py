"""Sentences of a passage, and the spans in them that can answer a question: names, dates, numbers, noun phrases.

Rules only, no model. What a question asks for decides which spans are candidates: who a name, when a date, how many a
number, anything else all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from kg.names import canonical, names_in
from kg.stems import stems
from rag.core.english import FUNCTION_WORDS

SpanKind = Literal["date", "number", "name", "phrase"]
AnswerKind = Literal["person", "time", "place", "number", "any"]

MAX_SENTENCE_WORDS = 60
_MAX_PHRASE_WORDS = 4
_BREAK = re.compile(r"(?<=[.!?])[\"')\]\u201d]*\s+(?=[\"'(\[\u201c]?[A-Z0-9])|\s*\n+\s*|\s+[\u2022|]\s+")
_SHORT = "Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Gen|Col|Capt|Lt|Rev|Hon|vs|No|Mt|Ft|c|ca|approx"
_ABBREVIATION = re.compile(rf"\b(?:[A-Z]|{_SHORT})\.$")

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan\.?|Feb\.?|Mar\.?|Apr\.?|Jun\.?|Jul\.?|Aug\.?|Sept?\.?|Oct\.?|Nov\.?|Dec\.?)"
)
_YEAR = r"(?:1\d{3}|20\d\d)"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"\b(?:{_MONTH}\s+{_DAY}(?:\s*,)?\s+{_YEAR}|{_DAY}(?:\s+of)?\s+{_MONTH}(?:\s*,)?\s+{_YEAR}"
    rf"|{_MONTH}(?:\s*,)?\s+{_YEAR}|{_MONTH}\s+{_DAY}|{_DAY}(?:\s+of)?\s+{_MONTH}"
    rf"|\d{{4}}-\d\d-\d\d|(?:the\s+)?(?:early|mid|late)?[\s-]?{_YEAR}s|{_YEAR}\s*(?:-|\u2013|to|and)\s*{_YEAR}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)\s+centur(?:y|ies)|{_YEAR}|\d{{1,4}}\s+(?:BCE?|AD|CE))\b"
)
_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen"
)
_NUMBER = re.compile(
    rf"[$\u20ac\u00a3]?\b\d[\d,]*(?:\.\d+)?(?:\s*%|(?:\s+(?:{_NUMBER_WORDS}))*)"
    rf"|\b(?:{_NUMBER_WORDS})(?:[\s-](?:{_NUMBER_WORDS}))*\b",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s+([A-Za-z][\w/\u00b2\u00b3-]*)")
_WORD = re.compile(r"\w+(?:['\u2019.\-&]\w+)*")
_PIECE = re.compile(r"\s+(?:and|in|on|at|for|to|&)\s+|,\s+")

_ASKS_TIME = re.compile(r"\b(?:when|(?:what|which) (?:year|date|day|month|century|decade|time)|birth ?date|date of)\b")
_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|old|long|far|tall|high|large|big|deep|often|fast)|population|number of|percentage"
    r"|median age|elevation|atomic number|total area)\b"
)
_ASKS_PERSON = re.compile(r"\b(?:who|whom|whose)\b")
_ASKS_PLACE = re.compile(
    r"\bwhere\b|\b(?:what|which) (?:\w+ )?(?:city|country|state|town|county|place|region|province|continent|island)\b"
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
    for kind, pattern in _KINDS:
        if pattern.search(words):
            return kind
    return "any"


_KINDS: tuple[tuple[AnswerKind, re.Pattern[str]], ...] = (
    ("number", _ASKS_NUMBER),
    ("time", _ASKS_TIME),
    ("person", _ASKS_PERSON),
    ("place", _ASKS_PLACE),
)


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of a passage; lines and list items end one, abbreviations do not. Very long ones are cut."""
    starts, ends = [0], []
    for match in _BREAK.finditer(text):
        if "\n" not in match.group() and _ABBREVIATION.search(text[max(0, match.start() - 8) : match.start()]):
            continue
        ends.append(match.start())
        starts.append(match.end())
    ends.append(len(text))
    return [piece for start, end in zip(starts, ends, strict=True) for piece in _pieces(text, start, end)]


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    """One sentence, cut where it has more than :data:`MAX_SENTENCE_WORDS` words."""
    words = list(re.finditer(r"\S+", text[start:end]))
    for first in range(0, len(words), MAX_SENTENCE_WORDS):
        chunk = words[first : first + MAX_SENTENCE_WORDS]
        left, right = start + chunk[0].start(), start + chunk[-1].end()
        yield Sentence(text[left:right], left, right)


def find_spans(question: str, sentence: Sentence) -> list[Span]:
    """The spans of a sentence that can answer ``question``, each once, by place.

    A span of words that the question itself holds is no answer.
    """
    asked = set(canonical(question).split())
    spans: dict[tuple[int, int], Span] = {}
    for finder in _FINDERS[answer_kind(question)]:
        for span in finder(sentence):
            words = set(canonical(span.text).split()) - FUNCTION_WORDS
            if words and not words <= asked:
                spans.setdefault((span.start, span.end), span)
    return sorted(spans.values(), key=lambda span: (span.start, span.end))


def _shift(sentence: Sentence, start: int, end: int, kind: SpanKind) -> Span:
    text = sentence.text[start:end]
    left, right = len(text) - len(text.lstrip(" ,;:-")), len(text.rstrip(" ,;:-"))
    return Span(text[left:right], sentence.start + start + left, sentence.start + start + right, kind)


def _dates(sentence: Sentence) -> Iterator[Span]:
    for match in _DATE.finditer(sentence.text):
        yield _shift(sentence, match.start(), match.end(), "date")


def _numbers(sentence: Sentence) -> Iterator[Span]:
    """Numbers with their unit: a price, a share, or the word that is counted."""
    for match in _NUMBER.finditer(sentence.text):
        unit = _UNIT.match(sentence.text, match.end())
        is_unit = unit is not None and unit.group(1).lower() not in FUNCTION_WORDS
        yield _shift(sentence, match.start(), unit.end() if unit and is_unit else match.end(), "number")


def _names(sentence: Sentence) -> Iterator[Span]:
    """The longest names, and their parts between "and", "in" and commas."""
    for start, end in _longest((span.start, span.end) for span in names_in(sentence.text)):
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
