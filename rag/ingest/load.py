"""From the bytes of a source to its title and text."""

from __future__ import annotations

from pathlib import Path

from rag.core.errors import SourceError
from rag.ingest.loaders.base import Text
from rag.ingest.loaders.registry import KNOWN_TYPES, READERS, read_file
from rag.ingest.source import Source

LOADERS = READERS

__all__ = ["KNOWN_TYPES", "LOADERS", "load"]


def load(source: Source, content: bytes) -> Text:
    """The title and text of ``content``.

    Raises:
        SourceError: damaged, encrypted, or without any text.
    """
    document = read_file(source.suffix, content)
    if not document.blocks:
        hint = " (scanned pages need OCR first)" if source.suffix == ".pdf" else ""
        raise SourceError(f"there is no text in it{hint}")
    text = "\n\n".join(block.text for block in document.blocks)
    return Text(source.title or document.title or Path(source.name).stem, text)
