"""OpenDocument: texts, sheets and slides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, BlockKind, ParsedDocument
from rag.ingest.loaders.base import build_document, squeeze
from rag.ingest.loaders.package import Package, attribute, child, local_name
from rag.ingest.loaders.sheets import build_sheet
from rag.ingest.loaders.tables import Cell, build_rows

if TYPE_CHECKING:
    from lxml.etree import _Element

_UNSEEN = {
    "tracked-changes", "annotation", "annotation-end", "sequence-decls", "forms", "ruby-text", "note-citation", "desc",
    "title", "hidden-text", "image", "object", "event-listeners", "table-source", "page-number", "page-count",
}  # fmt: skip
_INNER = {"frame", "note", "custom-shape", "g", "text-box", "rect", "ellipse"}
_MAX_REPEATED = 1000


def read_odf(content: bytes) -> ParsedDocument:
    """A text (``.odt``), sheets (``.ods``) or slides (``.odp``); headers and footers once.

    Raises:
        SourceError: damaged, or encrypted.
    """
    package = Package(content)
    manifest = package.read_optional("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter("{*}encryption-data"), None) is not None:
        raise SourceError("it is encrypted; save it without a password first")
    body = child(package.read_xml("content.xml"), "body")
    if body is None:
        raise SourceError("its part content.xml has no body")
    blocks = list(_read_around(package, "header"))
    for part in body:
        name = local_name(part)
        if name == "spreadsheet":
            blocks += _read_sheets(part)
        elif name in ("presentation", "drawing"):
            blocks += _read_slides(part)
        else:
            blocks += _Reader().read(part)
    blocks += _read_around(package, "footer")
    title = _read_title(package) or next((block.text for block in blocks if block.kind == "heading"), "")
    return build_document(blocks, title, notes=dict.fromkeys(package.notes))


def _read_title(package: Package) -> str:
    root = package.read_optional("meta.xml")
    return next((squeeze(node.text or "") for node in root.iter("{*}title")), "") if root is not None else ""


def _read_around(package: Package, kind: str) -> Iterator[Block]:
    """The headers or footers of all pages, each text once. Page numbers alone are none."""
    root = package.read_optional("styles.xml")
    if root is None:
        return
    seen: set[str] = set()
    for part in root.iter("{*}" + kind):
        for block in _Reader().read(part):
            if re.search(r"[^\W\d]{2}", block.text) and block.text not in seen:
                seen.add(block.text)
                yield block


class _Reader:
    """Walks a text, a cell or a slide. Its recursion is bounded: XML is read at most 256 levels deep."""

    def __init__(self, location: str = "") -> None:
        self._location = location
        self._num_lists = 0

    def read(self, parent: Iterable[_Element]) -> Iterator[Block]:
        """The blocks of these elements."""
        for element in parent:
            name = local_name(element)
            if name in _UNSEEN:
                continue
            if name in ("p", "h"):
                yield from self._read_paragraph(element, name)
            elif name == "table":
                yield from build_rows(*self._read_table(element), lambda row: self._location)
            elif name == "list":
                self._num_lists += 1
                yield from self.read(element)
                self._num_lists -= 1
            else:
                yield from self.read(element)

    def _read_paragraph(self, element: _Element, name: str) -> Iterator[Block]:
        parts: list[str] = []
        inner: list[_Element] = []
        _collect(element, parts, inner)
        kind: BlockKind = "item" if self._num_lists else "paragraph"
        level = self._num_lists
        if name == "h":
            outline = attribute(element, "outline-level", "1")
            kind, level = "heading", int(outline) if re.fullmatch("[1-9]", outline) else 1
        yield Block("".join(parts), kind, level, self._location)
        for node in inner:
            yield from self.read(node)

    def _read_table(self, table: _Element) -> tuple[list[list[Cell]], int | None]:
        rows: list[list[Cell]] = []
        num_headings = 0
        for row, is_heading in _find_rows(table):
            num_headings += is_heading
            rows.append([self._read_cell(cell) for cell in row if local_name(cell) == "table-cell"])
        return rows, min(num_headings, len(rows) - 1) or None

    def _read_cell(self, cell: _Element) -> Cell:
        width = _number(attribute(cell, "number-columns-spanned"), 100)
        return Cell(tuple(self.read(cell)), width, _number(attribute(cell, "number-rows-spanned"), 1000))


def _collect(element: _Element, parts: list[str], inner: list[_Element]) -> None:
    """The text of a paragraph; frames and notes that hang on it go into ``inner``."""
    parts.append(element.text or "")
    for node in element:
        name = local_name(node)
        if name == "s":
            parts.append(" " * _number(attribute(node, "c"), 100))
        elif name == "tab":
            parts.append("\t")
        elif name == "line-break":
            parts.append("\n")
        elif name in _INNER:
            inner.append(node)
        elif name not in _UNSEEN:
            _collect(node, parts, inner)
        parts.append(node.tail or "")


def _find_rows(table: _Element) -> Iterator[tuple[_Element, bool]]:
    """The rows of a table, and whether each is said to be a heading."""
    for element in table:
        name = local_name(element)
        if name == "table-row":
            yield element, False
        elif name == "table-header-rows":
            yield from ((row, True) for row in element if local_name(row) == "table-row")
        elif name in ("table-rows", "table-row-group"):
            yield from _find_rows(element)


def _number(text: str, maximum: int) -> int:
    return max(1, min(int(text), maximum)) if re.fullmatch(r"\d{1,9}", text) else 1


def _read_sheets(body: _Element) -> Iterator[Block]:
    for sheet in body:
        if local_name(sheet) == "table":
            name = squeeze(attribute(sheet, "name"))
            yield Block(name, "heading", 1, f"sheet {name}")
            yield from build_sheet(_read_sheet(sheet), lambda row, name=name: f"sheet {name}, row {row}")  # type: ignore[misc]


def _read_sheet(sheet: _Element) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row; a cell over several columns or rows shows in each."""
    number = 1
    open_cells: dict[int, tuple[str, int]] = {}
    for row, _ in _find_rows(sheet):
        repeated = _number(attribute(row, "number-rows-repeated"), 2**20)
        cells = _read_sheet_row(row, open_cells)
        if any(cells):
            for step in range(min(repeated, _MAX_REPEATED)):
                yield number + step, cells
        number += repeated


def _read_sheet_row(row: _Element, open_cells: dict[int, tuple[str, int]]) -> list[str]:
    cells: list[str] = []
    reader = _Reader()
    for cell in row:
        name = local_name(cell)
        repeated = _number(attribute(cell, "number-columns-repeated"), 2**14)
        if name == "covered-table-cell":
            for _ in range(repeated):
                text, left = open_cells.get(len(cells), ("", 0))
                if left:
                    open_cells[len(cells)] = (text, left - 1)
                cells.append(text if left else "")
        elif name == "table-cell":
            text = squeeze(" ".join(block.text for block in reader.read(cell)))
            width = _number(attribute(cell, "number-columns-spanned"), 100)
            height = _number(attribute(cell, "number-rows-spanned"), 1000)
            for column in range(width):  # the covered cells come next in this row, and in the rows below
                if width > 1 or height > 1:
                    open_cells[len(cells) + column] = (text, height - 1 + (column > 0))
            cells += [text] * (repeated if text else min(repeated, 300))
    return cells


def _read_slides(body: _Element) -> Iterator[Block]:
    slides = [page for page in body if local_name(page) == "page"]
    for number, page in enumerate(slides, start=1):
        place = f"slide {number}"
        titles = [frame for frame in page if attribute(frame, "class") == "title"]
        for frame in titles:
            text = squeeze(" ".join(block.text for block in _Reader().read(frame)))
            yield Block(text, "heading", 1, place)
        for frame in page:
            if frame not in titles and local_name(frame) not in _UNSEEN:
                is_notes = local_name(frame) == "notes"
                yield from _read_notes(frame, place) if is_notes else _Reader(place).read([frame])


def _read_notes(notes: _Element, place: str) -> Iterator[Block]:
    for block in _Reader(f"{place}, notes").read(notes):
        if not block.text.strip().isdigit():
            yield block
