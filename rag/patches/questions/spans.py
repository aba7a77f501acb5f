"""What a sentence could be asked for: every noun phrase, name, number and list in it.

The chunks are found by closed-class words and punctuation alone. A word between two of them belongs to a phrase; a
phrase is joined with the next over "of", and with its list over commas and "and". A verb at the edge of a chunk is
guessed by its ending and by what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.core.english import FUNCTION_WORDS

_WORD = re.compile(r"[$£€]?\w[\w'\u2019./%&-]*(?:,\d{3})*%?|[^\w\s]")
_INITIALS = re.compile(r"(?:\w\.)+")
_VERBAL = re.compile(r"[a-z]+(?:ed|ly)")
_COUNTED = frozenset(["first", "second", "third", "last", "two", "three", "several", "few", "many", "same"])
_DETERMINERS = frozenset(["a", "an", "the", "its", "his", "her", "their", "this", "that", "these", "those"])
_MAX_WORDS = 8


@dataclass(frozen=True)
class Span:
    """A phrase of a sentence, by words: ``words[first:end]`` is the answer."""

    words: tuple[str, ...]
    first: int
    end: int

    @property
    def answer(self) -> str:
        """The phrase as it stands in the sentence."""
        return join_words(self.words[self.first : self.end])

    @property
    def last_word(self) -> str:
        """The word before the phrase and its article, in lower case."""
        before = [word.lower() for word in self.words[: self.first] if word.lower() not in _DETERMINERS]
        return before[-1] if before else ""


def find_spans(sentence: str) -> list[Span]:
    """The phrases of a sentence, from left to right; a longer one stands before those that it is made of."""
    words = tuple(word if _INITIALS.fullmatch(word) else word.rstrip(".") for word in _WORD.findall(sentence))
    chunks = list(_chunks(words))
    spans = [Span(words, *pair) for pair in _joined(words, chunks)]
    return [span for span in spans if not _is_plain_verb(words[span.first : span.end])]


def join_words(words: Sequence[str]) -> str:
    """Words as text: no blank before a comma, none inside brackets."""
    text = re.sub(r"\s+([,;:.!?)\]%])", r"\1", " ".join(words))
    return re.sub(r"([(\[])\s+", r"\1", text)


def is_content(word: str) -> bool:
    """Whether a word may belong to a phrase."""
    lower = word.lower()
    return word[0] in "$£€" or (word[0].isalnum() and (lower not in FUNCTION_WORDS or lower in _COUNTED))


def _chunks(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Runs of content words, verbs at their edges left out."""
    first = 0
    while first < len(words):
        end = first
        while end < len(words) and is_content(words[end]):
            end += 1
        if end > first:
            yield _trimmed(words, first, end)
        first = end + 1


def _trimmed(words: Sequence[str], first: int, end: int) -> tuple[int, int]:
    is_followed = end < len(words) and words[end][0].isalpha()
    if end - first > 1 and is_followed and _VERBAL.fullmatch(words[end - 1]):
        end -= 1
    while end - first > 1 and _VERBAL.fullmatch(words[first]):
        first += 1
    return first, end


def _joined(words: Sequence[str], chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Each chunk, after the longer phrase that begins with it, if there is one."""
    for place, (first, end) in enumerate(chunks):
        last = end
        for following, after in chunks[place + 1 :]:
            between = [word.lower() for word in words[last:following]]
            if not between or not _is_link(between) or after - first > _MAX_WORDS:
                break
            last = after
        if last > end:
            yield first, last
        if end - first <= _MAX_WORDS:
            yield first, end


def _is_link(between: Sequence[str]) -> bool:
    links = [word for word in between if word not in _DETERMINERS]
    return links in (["of"], ["and"], ["or"], [","], [",", "and"], [",", "or"])


def _is_plain_verb(words: Sequence[str]) -> bool:
    return len(words) == 1 and bool(_VERBAL.fullmatch(words[0]))
