"""What the tests of readers share."""

from __future__ import annotations

from rag.ingest.blocks import ParsedDocument
from rag.ingest.loaders.registry import read_file


def read(suffix: str, content: str | bytes) -> ParsedDocument:
    """The document, through the one edge that all files pass."""
    return read_file(suffix, content.encode() if isinstance(content, str) else content)


def texts(document: ParsedDocument) -> list[str]:
    """The texts of its blocks."""
    return [block.text for block in document.blocks]


def kinds(document: ParsedDocument) -> list[tuple[str, int, str]]:
    """Kind, level and text of its blocks."""
    return [(block.kind, block.level, block.text) for block in document.blocks]
