"""From the bytes of a source to its document. A new type of file is one reader and one line in the registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rag.core.errors import SourceError
from rag.ingest.blocks import ParsedDocument
from rag.ingest.loaders.base import KNOWN_TYPES
from rag.ingest.loaders.registry import READERS, read_file
from rag.ingest.source import Source

LOADERS = READERS

__all__ = ["KNOWN_TYPES", "LOADERS", "load"]


def load(source: Source, content: bytes) -> ParsedDocument:
    """The document in ``content``; its title is that of the source, of the file, or the file's name.

    Raises:
        SourceError: damaged, encrypted, or without any text.
    """
    document = read_file(source.suffix, content)
    if not document.blocks:
        hint = " (scanned pages need OCR first)" if source.suffix == ".pdf" else ""
        raise SourceError(f"there is no text in it{hint}")
    return replace(document, title=source.title or document.title or Path(source.name).stem)
