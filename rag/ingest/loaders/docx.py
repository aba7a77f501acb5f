"""Word documents: everything a reader sees on the page, in its order.

Own code on the XML, because the libraries leave out some of it: text in content controls, tracked insertions, text
boxes, nested tables, headers (docs/DEPENDENCIES.md has the figures).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document, squeeze
from rag.ingest.loaders.package import Package, attribute, child, local_name
from rag.ingest.loaders.styles import Styles, read_styles
from rag.ingest.loaders.tables import Cell, build_rows

if TYPE_CHECKING:
    from lxml.etree import _Element

# What stands in a paragraph and is not shown: deleted text, field codes, reading aids, the older copy of a drawing.
_UNSEEN = {"del", "moveFrom", "instrText", "delText", "rt", "pPr", "Fallback", "delInstrText", "docPr", "binData"}
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "", "ptab": "\t"}
_CONTAINERS = {
    "sdt",
    "sdtContent",
    "ins",
    "moveTo",
    "customXml",
    "smartTag",
    "AlternateContent",
    "Choice",
    "txbxContent",
}
_OFF = {"0", "false", "off", "none"}


def read_docx(content: bytes) -> ParsedDocument:
    """Headers, then the body with its tables, text boxes and notes where they stand, then footers; each once.

    Raises:
        SourceError: damaged, or encrypted.
    """
    package = Package(content)
    main = _find_main(package)
    relations = package.read_relations(main)
    body = child(package.read_xml(main), "body")
    if body is None:
        raise SourceError("its main part has no body")
    reader = _Reader(package, relations)
    around = _read_around(package, reader, body)
    blocks = [*around["header"], *reader.read(body), *around["footer"]]
    title = read_title(package) or reader.title or next((b.text for b in blocks if b.kind == "heading"), "")
    return build_document(blocks, title, notes=package.notes)


def _find_main(package: Package) -> str:
    """The part with the text. Its usual name is tried where the list of parts is damaged."""
    if "word/document.xml" in package:
        return "word/document.xml"
    main = next((name for name in package.names if re.fullmatch(r"word/document\d*\.xml", name)), "")
    if not main:
        raise SourceError("it lacks its part word/document.xml; it is no Word document, or damaged")
    return main


def read_title(package: Package) -> str:
    """The title among the properties of an Office file; empty where there is none, or only a program's default."""
    root = package.read_optional("docProps/core.xml")
    node = child(root, "title") if root is not None else None
    title = squeeze(node.text or "") if node is not None else ""
    return (
        ""
        if re.fullmatch(r"(?i)word document|powerpoint presentation|untitled|.*\.(docx?|pptx?|xlsx?)", title)
        else title
    )


class _Reader:
    """Walks the parts of one document. Its recursion is bounded: XML is read at most 256 levels deep."""

    def __init__(self, package: Package, relations: dict[str, str]) -> None:
        self._package = package
        self._relations = relations
        self._styles: Styles = read_styles(package)
        self._notes = {kind: self._read_notes(kind) for kind in ("footnote", "endnote")}
        self.has_relations = bool(relations)
        self.title = ""

    def read(self, parent: _Element) -> Iterator[Block]:
        """The blocks below ``parent``: the body, a cell, a header, a text box."""
        for element in parent:
            name = local_name(element)
            if name == "p":
                yield from self._read_paragraph(element) if len(element) else ()
            elif name == "tbl":
                yield from build_rows(*self._read_table(element))
            elif name in _CONTAINERS:
                yield from self.read(element)

    def read_part(self, relation_id: str) -> list[Block]:
        """The blocks of a header or footer, by the id of its relation or its name. Page numbers alone are none."""
        name = self._relations.get(relation_id, relation_id)
        root = self._package.read_optional(name)
        if root is None:
            return []
        return [block for block in self.read(root) if re.search(r"[^\W\d]{2}", block.text)]

    def _read_notes(self, kind: str) -> dict[str, _Element]:
        root = self._package.read_optional(f"word/{kind}s.xml")
        notes = root if root is not None else ()
        return {attribute(note, "id"): note for note in notes if local_name(note) == kind}

    def _read_paragraph(self, paragraph: _Element) -> Iterator[Block]:
        parts: list[str] = []
        inner: list[_Element] = []
        self._collect(paragraph, parts, inner)
        text = "".join(parts).strip()
        style = self._styles.look_up(paragraph)
        if style.is_title and not self.title:
            self.title = squeeze(text)
        yield Block(style.number + text if text else "", style.kind, style.level)
        for element in inner:
            yield from self.read(element)

    def _collect(self, element: _Element, parts: list[str], inner: list[_Element]) -> None:
        """The text of a paragraph; text boxes and notes that hang on it go into ``inner``."""
        for node in element:
            name = local_name(node)
            if name == "t":
                parts.append(node.text or "")
            elif name in _CHARACTERS:
                parts.append(_CHARACTERS[name])
            elif name == "sym":
                parts.append(_read_symbol(attribute(node, "char")))
            elif name == "txbxContent":
                inner.append(node)
            elif name in ("footnoteReference", "endnoteReference"):
                note = self._notes[name.removesuffix("Reference")].get(attribute(node, "id"))
                inner += [note] if note is not None else []
            elif name not in _UNSEEN and not (name == "r" and _is_hidden(node)):
                self._collect(node, parts, inner)

    def _read_table(self, table: _Element) -> tuple[list[list[Cell]], int | None]:
        """Its rows, and the number of heading rows where the file says so."""
        rows: list[list[Cell]] = []
        num_headings = 0
        open_cells: dict[int, tuple[int, int]] = {}  # by column: row and position of the cell that goes on below
        for row in _find(table, "tr", {"tr", "tblPr", "tblGrid"}):
            properties = child(row, "trPr")
            if properties is not None and child(properties, "del") is not None:
                continue
            flag = child(properties, "tblHeader") if properties is not None else None
            if flag is not None and attribute(flag, "val", "1") not in _OFF and num_headings == len(rows):
                num_headings += 1
            rows.append(self._read_row(row, rows, open_cells))
        return rows, min(num_headings, len(rows) - 1) or None

    def _read_row(self, row: _Element, rows: list[list[Cell]], open_cells: dict[int, tuple[int, int]]) -> list[Cell]:
        cells: list[Cell] = []
        before = child(row, "trPr", "gridBefore")
        column = _number(attribute(before, "val", "0")) if before is not None else 0
        cells += [Cell(())] * column
        for element in _find(row, "tc", {"tc", "trPr", "tblPrEx"}):
            properties = child(element, "tcPr")
            span = child(properties, "gridSpan") if properties is not None else None
            width = max(1, min(_number(attribute(span, "val", "1")), 100)) if span is not None else 1
            merge = child(properties, "vMerge") if properties is not None else None
            if merge is not None and attribute(merge, "val", "continue") != "restart" and column in open_cells:
                number, position = open_cells[column]
                above = rows[number][position]
                rows[number][position] = Cell(above.blocks, above.num_columns, len(rows) - number + 1, above.is_heading)
            else:
                blocks = tuple(self.read(element))
                if merge is not None:
                    open_cells[column] = (len(rows), len(cells))
                else:
                    open_cells.pop(column, None)
                cells.append(Cell(blocks, width, 1, _is_bold(element)))
            column += width
        return cells


def _read_around(package: Package, reader: _Reader, body: _Element) -> dict[str, list[Block]]:
    """Headers and footers of all sections, each text once."""
    around: dict[str, list[Block]] = {"header": [], "footer": []}
    for kind, blocks in around.items():
        seen: set[str] = set()
        parts = dict.fromkeys(attribute(node, "id") for node in body.iter("{*}" + f"{kind}Reference"))
        if not reader.has_relations:
            parts = dict.fromkeys(sorted(name for name in package.names if name.startswith(f"word/{kind}")))
        for block in (block for part in parts for block in reader.read_part(part)):
            if block.text not in seen:
                seen.add(block.text)
                blocks.append(block)
    return around


def _find(parent: _Element, name: str, known: set[str]) -> Iterator[_Element]:
    """The rows of a table or the cells of a row, also those inside content controls."""
    for element in parent:
        if local_name(element) == name:
            yield element
        elif local_name(element) not in known and local_name(element) != "del":
            yield from _find(element, name, known)


def _read_symbol(code: str) -> str:
    """A character by its code. Fonts of pictures use private ones, which mean nothing as text."""
    try:
        character = chr(int(code, 16))
    except (ValueError, OverflowError):
        return ""
    return "" if "\ue000" <= character <= "\uf8ff" else character


def _is_hidden(run: _Element) -> bool:
    flag = child(run, "rPr", "vanish")
    return flag is not None and attribute(flag, "val", "1") not in _OFF


def _is_bold(cell: _Element) -> bool:
    """Whether all its text is bold, as headings of columns are."""
    runs = [run for run in cell.iter("{*}r") if any((text.text or "").strip() for text in run.iter("{*}t"))]
    flags = [child(run, "rPr", "b") for run in runs]
    return bool(flags) and all(flag is not None and attribute(flag, "val", "1") not in _OFF for flag in flags)


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,4}", text) else 0
