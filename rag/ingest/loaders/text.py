"""Plain text: paragraphs with the number of their first line."""

from __future__ import annotations

from collections.abc import Iterator

from rag.ingest.blocks import Block, BlockKind, ParsedDocument
from rag.ingest.loaders.base import build_document, clean
from rag.ingest.loaders.encodings import decode


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
