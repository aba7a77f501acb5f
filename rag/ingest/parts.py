"""Documents that come in parts: LangChain's loaders give each page or row by itself, all with one ``source``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from types import TracebackType

from langchain_core.documents import Document

from rag.core.errors import SourceError
from rag.core.passages import document_location
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.load import load
from rag.ingest.source import Part, Source
from rag.ingest.tidy import tidy

_SUFFIX = ".txt"
_MEMORY_BYTES = 2**24


def document_name(document: Document) -> str:
    """The name of the source that a LangChain document is a part of; without one, a name from its text."""
    name = document.metadata.get("source") or document.metadata.get("doc_id") or document.id
    return str(name or f"text:{hashlib.sha256(_encode(document.page_content)).hexdigest()[:16]}")


def source_from_documents(documents: Sequence[Document]) -> Source:
    """One source from all documents of its name, in their order."""
    parts = [Part(document.page_content, document_location(document.metadata)) for document in documents]
    titles = (str(document.metadata.get("title") or "") for document in documents)
    return source_from_parts(document_name(documents[0]), parts, next(filter(None, titles), ""))


def source_from_parts(name: str, parts: Sequence[Part], title: str = "") -> Source:
    """A source that consists of texts."""
    whole = tuple(parts)
    return Source(name, lambda: _to_bytes(whole), _SUFFIX, title, whole)


def read_parts(source: Source) -> ParsedDocument:
    """The document that the parts of ``source`` make up.

    Raises:
        SourceError: there is no text in any of them.
    """
    blocks: list[Block] = []
    title = ""
    is_alone = len(source.parts) == 1 and not source.parts[0].location
    for part in source.parts:
        if not part.text.strip():
            continue
        read = load(replace(source, parts=()), _encode(part.text))
        title = title or read.title
        # Lines are counted from the beginning of a part: they say something of a whole text alone.
        blocks += read.blocks if is_alone else (replace(block, location=part.location) for block in read.blocks)
    document = tidy(ParsedDocument(tuple(blocks), title))
    if not document.blocks:
        raise SourceError("there is no text in it")
    return document


class PartStore:
    """The parts that one ``add`` has seen, by source, in a temporary file.

    A source may come again much later in a stream. Its document is then made anew from all of its parts.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self._places: dict[str, list[tuple[int, int]]] = {}

    def __enter__(self) -> PartStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def complete(self, source: Source) -> Source:
        """``source`` with the parts that came before it."""
        before = [part for place in self._places.get(source.name, ()) for part in self._read(*place)]
        self._places.setdefault(source.name, []).append(self._write(source.parts))
        return source_from_parts(source.name, (*before, *source.parts), source.title) if before else source

    def _write(self, parts: Sequence[Part]) -> tuple[int, int]:
        start = self._file.seek(0, 2)
        return start, self._file.write(_to_json(parts))

    def _read(self, start: int, num_bytes: int) -> list[Part]:
        self._file.seek(start)
        return [Part(text, location) for text, location in json.loads(self._file.read(num_bytes))]


def _to_bytes(parts: Sequence[Part]) -> bytes:
    """What the content hash is made of. One text without a place is hashed as the text file it would be."""
    if len(parts) == 1 and not parts[0].location:
        return _encode(parts[0].text)
    return _to_json(parts)


def _to_json(parts: Sequence[Part]) -> bytes:
    return json.dumps([(part.text, part.location) for part in parts]).encode()


def _encode(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which is no text, becomes a question mark."""
    return text.encode("utf-8", "replace")
