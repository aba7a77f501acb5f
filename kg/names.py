"""Names in running text: their spelling in the graph and their positions. No model and no list of names.

A name is a run of words that begins and ends with a capitalised word or a number. Small joining words may stand between
them ("University of the West Indies"). Every shorter name in a run counts too, because it may be the title of a
passage: "New York City Council" contains "New York City". A capital inside a word counts as well ("iPhone"). Scripts
without capitals have rules of their own (:mod:`kg.caseless`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kg.caseless import caseless_spans
from rag.core.english import FUNCTION_WORDS
from rag.core.scripts import CASELESS, IS_UNSPACED, UNSPACED
from rag.core.words import fold

MAX_WORDS = 8
_MIN_CHARS = 3
# Of scripts in which a character is a syllable or a word.
_MIN_SIGNS = 2
_MAX_SIGNS = 20

_JOINING_WORDS = "of the de la le du da di del van von der den and for in on at to a y e & al el"
_JOINERS = frozenset(_JOINING_WORDS.split())
_WORD = re.compile(r"\w+(?:['\u2019.\-&]\w+)*\.?", re.UNICODE)
_PART = re.compile(rf"[\w{CASELESS}{UNSPACED}]+")
_SIGNS = re.compile(f"[{UNSPACED}]+")
_PIECE = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_GAP = re.compile(r",?[ \u00a0]")
_BRACKETS = re.compile(r"\s*\([^()]*\)")
_SENTENCE_END = re.compile(r"[.!?]['\"\u201d\u2019)]*\s*$")


@dataclass(frozen=True)
class Span:
    """A name and its position in a text, end excluded."""

    name: str
    start: int
    end: int


def canonical(text: str) -> str:
    """The graph's spelling of a name: lower case, no accents, single spaces, no punctuation, no possessive."""
    # Interned, because the same names occur in thousands of passages.
    return sys.intern(" ".join(_PART.findall(_POSSESSIVE.sub("", fold(text.replace("_", " "))))))


def is_name(name: str) -> bool:
    """Whether a canonical name can be an entity: 3 characters (2 in Chinese and its like), no closed-class word."""
    min_chars = _MIN_SIGNS if is_unspaced(name) else _MIN_CHARS
    return len(name) >= min_chars and name not in FUNCTION_WORDS


def is_unspaced(name: str) -> bool:
    """Whether a name is written in a script without blanks between words."""
    return IS_UNSPACED.search(name) is not None


def find_pieces(text: str) -> list[tuple[int, int]]:
    """Start and end of each word of a canonical text; a character of a script without blanks is one by itself."""
    return [match.span() for match in _PIECE.finditer(text)]


def contains_name(text: str, name: str) -> bool:
    """Whether a canonical name stands in a canonical text, as whole words where there are blanks between words."""
    return name in text if is_unspaced(name) else f" {name} " in f" {text} "


def aliases(title: str) -> tuple[str, ...]:
    """Names that other texts may use for the thing with this title.

    The title itself, without its bracketed qualifier, without what follows a comma ("Leland, North Carolina"), and
    without a leading article.
    """
    bare = _BRACKETS.sub("", title).strip() or title
    names = [canonical(bare), canonical(bare.split(",")[0])]
    names += [name[4:] for name in names if name.startswith("the ") and name.count(" ") > 1]
    return tuple(dict.fromkeys(name for name in names if is_name(name)))


def names_in(text: str) -> Iterator[Span]:
    """Every name in ``text``, nested ones included, by start and then by end."""
    spans = dict.fromkeys(capitalised_names_in(text))
    for start, end in caseless_spans(text):
        name = canonical(text[start:end])
        if is_name(name):
            spans[Span(name, start, end)] = None
    yield from sorted(spans, key=lambda span: (span.start, span.end))


def capitalised_names_in(text: str) -> Iterator[Span]:
    """Every name in ``text`` that capitals or numbers mark, nested ones included."""
    for run in _runs(text):
        lone = len(run) == 1
        is_plain = text[run[0].start : run[-1].end].isascii()
        spellings = [canonical(word.text) for word in run] if is_plain else []
        for first, head in enumerate(run):
            for last in range(first, min(first + MAX_WORDS, len(run))):
                if run[last].is_joiner or head.is_joiner:
                    continue
                if lone and head.is_initial and _occurs_in_lower_case(text, head):
                    continue
                name = _join(spellings[first : last + 1]) if is_plain else canonical(text[head.start : run[last].end])
                if is_name(name) and not (first == last and head.is_number):
                    yield Span(name, head.start, run[last].end)


def _join(spellings: list[str]) -> str:
    """The spelling of a name from those of its words. In ASCII, what stands between words leaves no trace."""
    return sys.intern(" ".join(filter(None, spellings)))


def ngrams(text: str, max_words: int = MAX_WORDS) -> Iterator[str]:
    """Every run of 1 to ``max_words`` words of a question, in the graph's spelling; capitals do not matter.

    Where words are not divided by blanks, also every run of characters that may be one.
    """
    words = canonical(text).split()
    for first in range(len(words)):
        for last in range(first + 1, min(first + max_words, len(words)) + 1):
            yield " ".join(words[first:last])
    for word in words:
        for run in _SIGNS.findall(word):
            yield from _sub_runs(run)


def _sub_runs(signs: str) -> Iterator[str]:
    """Every run of 2 to 20 characters of a script without blanks: any of them may be a name."""
    for first in range(len(signs) - 1):
        for last in range(first + _MIN_SIGNS, min(first + _MAX_SIGNS, len(signs)) + 1):
            yield signs[first:last]


class _Word(NamedTuple):  # cheaper to make than a frozen dataclass: there is one for every word
    text: str
    start: int
    end: int
    is_joiner: bool
    is_number: bool
    is_initial: bool


def _runs(text: str) -> Iterator[list[_Word]]:
    """Longest runs of capitalised words, numbers and joiners, separated only by a space or a comma and a space."""
    run: list[_Word] = []
    for word in _words(text):
        touches = bool(run) and _GAP.fullmatch(text, run[-1].end, word.start) is not None
        if run and not (touches and not word.is_initial):
            yield run
            run = []
        if _opens(word) or (run and word.is_joiner):
            run.append(word)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _words(text: str) -> Iterator[_Word]:
    end = 0
    for match in _WORD.finditer(text):
        raw = match.group()
        # A full stop belongs to an initial or an abbreviation ("J.", "St."), never to a long word.
        word = raw.rstrip(".") if len(raw) > 4 else raw
        start = match.start()
        is_joiner = word.lower() in _JOINERS and not word[0].isupper()
        yield _Word(word, start, start + len(word), is_joiner, word[0].isdigit(), _is_initial(text, end, start))
        end = start + len(word)


def _is_initial(text: str, end: int, start: int) -> bool:
    """Whether a sentence begins at ``start``; the word before it ends at ``end``."""
    if end and text[end - 1].isalnum() and text[end:start] == " ":
        return False  # nearly all words
    return end == 0 or _SENTENCE_END.search(text[max(0, end - 3) : start]) is not None


def _opens(word: _Word) -> bool:
    if word.is_initial and word.text.lower() in FUNCTION_WORDS:
        return False
    return word.is_number or any(map(str.isupper, word.text))


def _occurs_in_lower_case(text: str, word: _Word) -> bool:
    """Whether the first word of a sentence occurs elsewhere in lower case, so that its capital does not mark a name."""
    return re.search(rf"\b{re.escape(word.text.lower().rstrip('.'))}\b", text) is not None
