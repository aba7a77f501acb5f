"""Source code and settings: pieces that start at the left margin, with the number of their first line."""

from __future__ import annotations

from collections.abc import Iterator

from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document, clean
from rag.ingest.loaders.encodings import decode, find_declared

_MAX_LINES = 40


def read_code(content: bytes) -> ParsedDocument:
    """The code as it is, cut at blank lines before a line at the left margin, or after 40 lines."""
    text, notes = decode(content, find_declared(content))
    return build_document(_split(clean(text).split("\n")), notes=notes)


def _split(lines: list[str]) -> Iterator[Block]:
    """Functions and classes stay whole where they are short; comments stay with what follows."""
    start = 0
    for number, line in enumerate(lines):
        is_top = bool(line.strip()) and not line[0].isspace() and not line.startswith((")", "]", "}"))
        is_after_blank = number > 0 and not lines[number - 1].strip()
        num_lines = number - start
        is_good_place = is_after_blank and (is_top or num_lines >= _MAX_LINES)
        if num_lines > 0 and (is_good_place or num_lines >= 3 * _MAX_LINES):
            yield _build(lines, start, number)
            start = number
    yield _build(lines, start, len(lines))


def _build(lines: list[str], start: int, end: int) -> Block:
    while start < end and not lines[start].strip():
        start += 1
    return Block("\n".join(line.rstrip() for line in lines[start:end]), "code", location=f"line {start + 1}")
