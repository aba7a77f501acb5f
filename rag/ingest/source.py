"""A source: something to add, not read yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Something to add: a file on disk, or text that the caller holds.

    Attributes:
        name: shown by citations; the resolved path of a file.
        read: gives its bytes; raises :class:`rag.core.errors.SourceError` when it cannot.
        suffix: the type, such as ``.md``.
        title: replaces the title in the text.
    """

    name: str
    read: Callable[[], bytes]
    suffix: str
    title: str = ""

    @property
    def doc_id(self) -> str:
        """Stable name of the document: sixteen hex digits of the source's name."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


def content_hash(content: bytes, source: Source, splitter: Sequence[object], encoder: str) -> str:
    """Changes when the bytes, the title, the way of splitting or the encoder change."""
    head = f"{source.suffix}|{source.title}|{list(splitter)}|{encoder}|".encode()
    return hashlib.sha256(head + content).hexdigest()
