"""The sentences of a passage: those of any script, with headings, list items and rows of tables apart.

A line that is only wrapped goes on in the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.core.english import FUNCTION_WORDS
from rag.core.sentences import sentence_spans

# What opens a line of its own: marks of lists, headings and tables.
_OPENING = re.compile(r"\s*(?:[-*\u2022#|>]|\d{1,3}[.)]\s)")
_CELL = re.compile(r"\s+[\u2022|]\s+")
_SENTENCE_END = ".,;!?\u3002\uff01\uff1f\u0964"
# A line of at most these words without an end mark, before one that opens with a capital, is a heading,
# unless its last word leads on ("is", "of").
_HEADING_WORDS = 8
_HEADING_CHARS = 50
# Lines about the document itself: when it was written or changed.
_ABOUT = re.compile(
    r"^\W*(?:[\w'-]+\s+){0,3}(?:dated?|updated|published|issued|posted|revised|printed|created|modified)\b[^.]{0,40}\d",
    re.IGNORECASE,
)
_ABOUT_WORDS = 9


def split_sentences(text: str) -> list[str]:
    """The sentences in order, each on one line."""
    return [" ".join(text[start:end].split()) for start, end in statement_spans(text)]


def statement_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, heading, list item and cell, without the blanks around it."""
    for start, end in _blocks(text):
        for first, last in sentence_spans(text[start:end]):
            yield from _cells(text, start + first, start + last)


def is_heading(sentence: str, title: str = "") -> bool:
    """Whether a sentence says nothing: a heading, the document's title, or when the document was written."""
    plain = sentence.strip().strip("*_#=- ").strip()
    if sentence.lstrip().startswith("#") or not plain:
        return True
    if title and plain.casefold() == title.strip().casefold():
        return True
    if len(plain.split()) > 1 and plain.upper() == plain and plain.lower() != plain and not re.search(r"\d", plain):
        return True
    return len(plain.split()) <= _ABOUT_WORDS and _ABOUT.match(plain) is not None


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Pieces between the line ends at which a sentence cannot go on."""
    start = 0
    for match in re.finditer(r"\n", text):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if _is_last_line(line, text[match.end() : match.end() + 80]):
            yield start, match.start()
            start = match.end()
    yield start, len(text)


def _is_last_line(line: str, following: str) -> bool:
    if not line.strip() or not following.strip() or _OPENING.match(following) or line.lstrip().startswith("#"):
        return True
    if line.rstrip().endswith(":") or (line.isupper() and not following.split("\n")[0].isupper()):
        return True
    if line.split()[-1].lower() in FUNCTION_WORDS:
        return False
    is_short = len(line.split()) <= _HEADING_WORDS and len(line.strip()) <= _HEADING_CHARS
    opens = following.lstrip()[:1]
    return is_short and line.rstrip()[-1] not in _SENTENCE_END and (opens.isupper() or opens.isdigit())


def _cells(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in _CELL.finditer(text, start, end):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if end > start:
        yield start, end
