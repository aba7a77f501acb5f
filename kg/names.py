"""Names in running text: their spelling in the graph and their positions. No model and no list of names.

A name is a run of words that begins and ends with a capitalised word or a number. Small joining words may stand between
them ("University of the West Indies"). Every shorter name in a run counts too, because it may be the title of a
passage: "New York City Council" contains "New York City".
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from rag.core.english import FUNCTION_WORDS

MAX_WORDS = 8
_MIN_CHARS = 3

_JOINING_WORDS = "of the de la le du da di del van von der den and for in on at to a y e & al el"
_JOINERS = frozenset(_JOINING_WORDS.split())
_WORD = re.compile(r"\w+(?:['\u2019.\-&]\w+)*\.?", re.UNICODE)
_PART = re.compile(r"\w+", re.UNICODE)
_POSSESSIVE = re.compile(r"['\u2019]s\b")
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
    plain = text.replace("_", " ")
    if not plain.isascii():  # normalising is most of the work, and most names do not need it
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    # Interned, because the same names occur in thousands of passages.
    return sys.intern(" ".join(_PART.findall(_POSSESSIVE.sub("", plain.lower()))))


def is_name(name: str) -> bool:
    """Whether a canonical name can be an entity: at least 3 characters, and not a closed-class word."""
    return len(name) >= _MIN_CHARS and name not in FUNCTION_WORDS


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
    for run in _runs(text):
        lone = len(run) == 1
        for first, head in enumerate(run):
            for last in range(first, min(first + MAX_WORDS, len(run))):
                if run[last].is_joiner or head.is_joiner:
                    continue
                if lone and head.is_initial and _occurs_in_lower_case(text, head):
                    continue
                name = canonical(text[head.start : run[last].end])
                if is_name(name) and not (first == last and head.is_number):
                    yield Span(name, head.start, run[last].end)


def ngrams(text: str, max_words: int = MAX_WORDS) -> Iterator[str]:
    """Every run of 1 to ``max_words`` words of a question, in the graph's spelling; capitals do not matter."""
    words = canonical(text).split()
    for first in range(len(words)):
        for last in range(first + 1, min(first + max_words, len(words)) + 1):
            yield " ".join(words[first:last])


@dataclass(frozen=True)
class _Word:
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
        touches = bool(run) and re.fullmatch(r",? ", text[run[-1].end : word.start]) is not None
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
        is_initial = end == 0 or _SENTENCE_END.search(text[max(0, end - 3) : match.start()]) is not None
        is_joiner = word.lower() in _JOINERS and not word[0].isupper()
        yield _Word(word, match.start(), match.start() + len(word), is_joiner, word[0].isdigit(), is_initial)
        end = match.start() + len(word)


def _opens(word: _Word) -> bool:
    if word.is_initial and word.text.lower() in FUNCTION_WORDS:
        return False
    return word.text[0].isupper() or word.is_number


def _occurs_in_lower_case(text: str, word: _Word) -> bool:
    """Whether the first word of a sentence occurs elsewhere in lower case, so that its capital does not mark a name."""
    return re.search(rf"\b{re.escape(word.text.lower().rstrip('.'))}\b", text) is not None
