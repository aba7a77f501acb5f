"""A source: something to add, not read yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One of the texts that make up a document, such as a page that a loader gave by itself.

    Attributes:
        location: where it stands in the document (``page 3``); empty where unknown.
    """

    text: str
    location: str = ""


@dataclass(frozen=True)
class Source:
    """Something to add: a file on disk, or text that the caller holds.

    Attributes:
        name: shown by citations; the resolved path of a file.
        read: gives its bytes; raises :class:`rag.core.errors.SourceError` when it cannot.
        suffix: the type, such as ``.md``.
        title: replaces the title in the text.
        parts: of text that the caller holds, in order; empty for a file.
    """

    name: str
    read: Callable[[], bytes]
    suffix: str
    title: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def doc_id(self) -> str:
        """Stable name of the document: sixteen hex digits of the source's name."""
        return doc_id_from_source(self.name)


def doc_id_from_source(name: str) -> str:
    """The doc_id of the document that is added from a source of this name."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def content_hash(content: bytes, source: Source, splitter: Sequence[object], encoder: str) -> str:
    """Changes when the bytes, the title, the way of splitting or the encoder change."""
    head = f"{source.suffix}|{source.title}|{list(splitter)}|{encoder}|".encode()
    return hashlib.sha256(head + content).hexdigest()
