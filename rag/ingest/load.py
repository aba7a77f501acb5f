"""From the bytes of a source to its document. A new type of file is one loader and one line here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import Text
from rag.ingest.loaders.docx import load_docx
from rag.ingest.loaders.html import load_html
from rag.ingest.loaders.pdf import load_pdf
from rag.ingest.loaders.text import load_markdown, load_text
from rag.ingest.source import Source

LOADERS: dict[str, Callable[[bytes], Text]] = {
    ".txt": load_text,
    ".text": load_text,
    ".md": load_markdown,
    ".markdown": load_markdown,
    ".html": load_html,
    ".htm": load_html,
    ".pdf": load_pdf,
    ".docx": load_docx,
}
KNOWN_TYPES = "txt, md, html, pdf, docx"


def load(source: Source, content: bytes) -> ParsedDocument:
    """The document in ``content``; its title is that of the source, of the file, or the file's name.

    Raises:
        SourceError: damaged, encrypted, or without any text.
    """
    text = LOADERS[source.suffix](content)
    if not text.text.strip():
        hint = " (scanned pages need OCR first)" if source.suffix == ".pdf" else ""
        raise SourceError(f"there is no text in it{hint}")
    return ParsedDocument(tuple(_paragraphs(text.text)), source.title or text.title or Path(source.name).stem)


def _paragraphs(text: str) -> Iterator[Block]:
    """The pieces between blank lines."""
    number = 1
    for piece in re.split(r"(\n[ \t]*\n\s*)", text):
        if piece.strip():
            yield Block(piece.strip("\n"), location=f"line {number}")
        number += piece.count("\n")
