"""Plain text: paragraphs with the number of their first line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rag.ingest.blocks import Block, BlockKind, ParsedDocument
from rag.ingest.loaders.base import build_document, clean
from rag.ingest.loaders.encodings import decode

_PIECE = 2**18


def read_text(content: bytes) -> ParsedDocument:
    """The text as it is, cut at blank lines."""
    text, notes = decode(content)
    return build_document(split_paragraphs(text), notes=notes)


def split_paragraphs(text: str, kind: BlockKind = "paragraph", first_line: int = 1) -> Iterator[Block]:
    """The pieces between blank lines, each with the number of its first line."""
    lines: list[str] = []
    for number, line in enumerate(clean(text).split("\n"), start=first_line):
        if line.strip():
            lines.append(line)
        elif lines:
            yield Block("\n".join(lines), kind, location=f"line {number - len(lines)}")
            lines = []
    if lines:
        yield Block("\n".join(lines), kind, location=f"line {number - len(lines) + 1}")


def split_pieces(lines: Sequence[str], is_start: Callable[[int], bool]) -> Iterator[tuple[int, list[str]]]:
    """Long texts in pieces of some hundred kilobytes, so that a parser never holds all of one.

    Args:
        lines: of the text.
        is_start: whether a piece may start at line ``i``.

    Yields:
        The number of the first line of a piece, from 0, and its lines.
    """
    start = size = 0
    for number, line in enumerate(lines):
        if size > _PIECE and is_start(number):
            yield start, list(lines[start:number])
            start, size = number, 0
        size += len(line)
    yield start, list(lines[start:])
