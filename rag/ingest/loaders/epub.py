"""EPUB books: the chapters in the order of reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document, squeeze
from rag.ingest.loaders.dates import to_iso_date
from rag.ingest.loaders.html import read_html
from rag.ingest.loaders.package import Package, resolve

if TYPE_CHECKING:
    from lxml.etree import _Element

_CONTAINER = "META-INF/container.xml"


def read_epub(content: bytes) -> ParsedDocument:
    """The visible text of all chapters; the book's title and date.

    Raises:
        SourceError: damaged, protected, or without chapters.
    """
    package = Package(content)
    if "META-INF/rights.xml" in package:
        raise SourceError("it is protected against copying; its text cannot be read")
    book = _find_book(package)
    root = package.read_xml(book)
    title = next((squeeze(node.text or "") for node in root.iter("{*}title")), "")
    date = next((iso for node in root.iter("{*}date") if (iso := to_iso_date(node.text or ""))), "")
    notes: list[str] = []
    return build_document(_read_chapters(package, book, root, notes), title, date, notes)


def _find_book(package: Package) -> str:
    """The part that lists the chapters."""
    if _CONTAINER in package:
        for node in package.read_xml(_CONTAINER).iter("{*}rootfile"):
            if (path := str(node.get("full-path", ""))) in package:
                return path
    path = next((name for name in package.names if name.endswith(".opf")), "")
    if not path:
        raise SourceError("it lacks the list of its chapters")
    return path


def _read_chapters(package: Package, book: str, root: _Element, notes: list[str]) -> Iterator[Block]:
    folder = book.rpartition("/")[0]
    parts = {node.get("id"): node.get("href", "") for node in root.iter("{*}item")}
    names = [parts.get(node.get("idref"), "") for node in root.iter("{*}itemref")]
    if not names:
        raise SourceError("it lists no chapters")
    for name in dict.fromkeys(names):
        path = resolve(folder, unquote(name.partition("#")[0]))
        if path not in package:
            notes.append(f"its chapter {name or '(without a name)'} is missing")
            continue
        chapter = read_html(package.read(path))
        notes += chapter.notes
        yield from chapter.blocks
