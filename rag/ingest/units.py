"""The pieces that passages are packed from: sentences, rows, items and headings, each with its number of tokens."""

# ruff: noqa: RUF001 - the marks of other scripts look like those of ASCII.
from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rag.core.sentences import sentence_spans
from rag.core.tokens import TokenReader, TokenSpans
from rag.ingest.blocks import Block, BlockKind

Span = tuple[int, int]
# Text is tokenized in parts of about this size, so that a book in one block takes no more memory than a page.
_SEGMENT_CHARS = 10_000
_BATCH = 128
# A tokenizer that does not know a word gives one token for it, however long it is. No real token is longer on average.
_MAX_BYTES_PER_TOKEN = 8
_LINE = re.compile(r"\n")
_CLAUSE = re.compile(r"(?<=[;:,])\s+|(?<=[、；：，،؛፣၊])")
_BLANK = re.compile(r"\s+|(?<=\u200b)")


@dataclass(frozen=True, slots=True)
class Unit:
    """What is cut only where it alone is too long for a passage.

    Attributes:
        start, end: in the block's text.
        block: index of the block.
    """

    start: int
    end: int
    num_tokens: int
    block: int


def cut_blocks(blocks: Sequence[Block], budgets: Sequence[int], reader: TokenReader) -> Iterator[Unit]:
    """The units of all blocks in order; none has more tokens than ``budgets`` has for its block."""
    segments = _segments(blocks)
    while batch := [segment for segment, _ in zip(segments, range(_BATCH), strict=False)]:
        texts = [blocks[index].text[start:end] for index, start, end in batch]
        for (index, start, _), text, tokens in zip(batch, texts, reader.read(texts), strict=True):
            segment = _Segment(text, tokens)
            for first, last in segment.cut(blocks[index].kind, budgets[index]):
                yield Unit(start + first, start + last, segment.count(first, last), index)


def _segments(blocks: Sequence[Block]) -> Iterator[tuple[int, int, int]]:
    """Block, start and end of parts of at most about ``_SEGMENT_CHARS`` characters, cut between sentences or words."""
    for index, block in enumerate(blocks):
        if len(block.text) <= _SEGMENT_CHARS:
            yield index, 0, len(block.text)
            continue
        first = last = 0
        for start, end in _short_spans(block.text):
            if end - first > _SEGMENT_CHARS and last > first:
                yield index, first, last
                first = start
            last = end
        yield index, first, last


def _short_spans(text: str) -> Iterator[Span]:
    """Sentences; those of more than ``_SEGMENT_CHARS`` characters in parts."""
    for start, end in sentence_spans(text):
        while end - start > _SEGMENT_CHARS:
            limit = start + _SEGMENT_CHARS
            cut = max(text.rfind(" ", start, limit), text.rfind("\n", start, limit))
            if cut <= start:
                cut = limit
                while cut > start + 1 and _belongs_to_previous(text[cut]):
                    cut -= 1
            yield start, cut
            start = cut
        yield start, end


class _Segment:
    """A piece of a block with its tokens."""

    def __init__(self, text: str, tokens: TokenSpans) -> None:
        self._text = text
        self._starts = tokens.starts

    def count(self, start: int, end: int) -> int:
        """Tokens between two offsets."""
        num_tokens = bisect_left(self._starts, end) - bisect_left(self._starts, start)
        return max(num_tokens, len(self._text[start:end].encode()) // _MAX_BYTES_PER_TOKEN, 1)

    def cut(self, kind: BlockKind, budget: int) -> Iterator[Span]:
        """Sentences of a paragraph, lines of code, all else whole; what is too long is cut further."""
        whole = (0, len(self._text))
        match kind:
            case "paragraph":
                spans = _sentences(self._text)
            case "code":
                spans = _split_at(_LINE, self._text)
            case _:
                spans = [whole]
        for span in spans:
            yield from self._cut(*span, budget, _LEVELS)

    def _cut(self, start: int, end: int, budget: int, levels: Sequence[Callable[[str], list[Span]]]) -> Iterator[Span]:
        """A span that fits, or its parts by the first of ``levels`` that divides it."""
        if self.count(start, end) <= budget:
            yield start, end
            return
        for number, divide in enumerate(levels):
            parts = divide(self._text[start:end])
            if len(parts) > 1:
                for first, last in parts:
                    yield from self._cut(start + first, start + last, budget, levels[number + 1 :])
                return
        yield from self._cut_letters(start, end, budget)

    def _cut_letters(self, start: int, end: int, budget: int) -> Iterator[Span]:
        """A run without any place to cut, in pieces that fit; a letter keeps its marks."""
        while start < end:
            low, high = start + 1, end
            while low < high:  # the longest piece that fits, by bisection
                middle = (low + high + 1) // 2
                low, high = (middle, high) if self.count(start, middle) <= budget else (low, middle - 1)
            cut = low
            while cut < end and cut > start + 1 and _belongs_to_previous(self._text[cut]):
                cut -= 1
            yield start, cut
            start = cut


def _belongs_to_previous(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in "\u200d\u200c"


def _sentences(text: str) -> list[Span]:
    return list(sentence_spans(text))


def _split_at(pattern: re.Pattern[str], text: str) -> list[Span]:
    """The spans between matches, without those that are blank."""
    spans, start = [], 0
    for match in pattern.finditer(text):
        spans.append((start, match.start()))
        start = match.end()
    spans.append((start, len(text)))
    return [(first, last) for first, last in spans if text[first:last].strip()]


_LEVELS: tuple[Callable[[str], list[Span]], ...] = (
    _sentences,
    lambda text: _split_at(_LINE, text),
    lambda text: _split_at(_CLAUSE, text),
    lambda text: _split_at(_BLANK, text),
)
