"""Excel workbooks: each row with the headings of its columns, its cells as the sheet shows them.

Own code on the XML, read as a stream: libraries give the stored number instead of what the cell shows, or hold the
whole workbook in memory (docs/DEPENDENCIES.md has the figures).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document
from rag.ingest.loaders.docx import read_title
from rag.ingest.loaders.numbers import show_number
from rag.ingest.loaders.package import Package, attribute, child, find_relation_id, local_name
from rag.ingest.loaders.sheets import build_sheet

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAIN = "xl/workbook.xml"
_MAX_COLUMNS = 2**14
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_DEFAULT_NAME = re.compile(r"[^\W\d]+\s?\d+")


@dataclass(frozen=True)
class _Workbook:
    """What all sheets share: their texts, and the number format of each style."""

    strings: list[str]
    formats: list[str]
    is_1904: bool


@dataclass(frozen=True)
class _Area:
    """Cells that are merged into one: first and last row and column."""

    top: int
    left: int
    bottom: int
    right: int


def read_xlsx(content: bytes) -> ParsedDocument:
    """All sheets in their order.

    Raises:
        SourceError: damaged, or encrypted.
    """
    package = Package(content)
    if _MAIN not in package:
        raise SourceError(f"it lacks its part {_MAIN}; it is no Excel workbook, or damaged")
    root = package.read_xml(_MAIN)
    properties = child(root, "workbookPr")
    is_1904 = properties is not None and attribute(properties, "date1904") in ("1", "true")
    workbook = _Workbook(_read_strings(package), _read_formats(package), is_1904)
    sheets = _find_sheets(package, root)
    if not sheets:
        raise SourceError("it has no sheets that can be found")
    blocks = list(_read_sheets(package, workbook, sheets))
    return build_document(blocks, read_title(package), notes=package.notes)


def _find_sheets(package: Package, root: _Element) -> list[tuple[str, str]]:
    """Name and part of each sheet."""
    relations = package.read_relations(_MAIN)
    sheets = [(attribute(node, "name"), relations.get(find_relation_id(node), "")) for node in root.iter("{*}sheet")]
    usable = [(name, part) for name, part in sheets if "worksheets/" in part and part in package]
    loose = [name for name in package.names if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name)]
    names = [name for name, _ in sheets]
    return usable or [(names[i] if i < len(names) else str(i + 1), part) for i, part in enumerate(sorted(loose))]


def _read_strings(package: Package) -> list[str]:
    """The texts that cells refer to by number, without reading aids."""
    if "xl/sharedStrings.xml" not in package:
        return []
    return [_read_string(node) for node in package.read_xml("xl/sharedStrings.xml") if local_name(node) == "si"]


def _read_string(node: _Element) -> str:
    parts = []
    for each in node:
        name = local_name(each)
        if name == "t":
            parts.append(each.text or "")
        elif name == "r":
            parts += [text.text or "" for text in each if local_name(text) == "t"]
    return "".join(parts)


def _read_formats(package: Package) -> list[str]:
    """The number format of each style: its code, or its number where it is built in."""
    root = package.read_optional("xl/styles.xml")
    if root is None:
        return []
    codes = {attribute(node, "numFmtId"): attribute(node, "formatCode") for node in root.iter("{*}numFmt")}
    styles = child(root, "cellXfs")
    ids = [attribute(node, "numFmtId", "0") for node in styles] if styles is not None else []
    return [codes.get(each, each) for each in ids]


def _read_sheets(package: Package, workbook: _Workbook, sheets: list[tuple[str, str]]) -> Iterator[Block]:
    for name, part in sheets:
        if len(sheets) > 1 or not _DEFAULT_NAME.fullmatch(name):
            yield Block(name, "heading", 1, f"sheet {name}")

        def locate(row: int, name: str = name) -> str:
            return f"sheet {name}, row {row}"

        yield from build_sheet(_read_rows(package.read(part), workbook), locate)


def _read_rows(content: bytes, workbook: _Workbook) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row that is there. A merged cell shows in each place that it covers."""
    from lxml import etree

    areas = [
        _Area(int(match[2]), _column(match[1].decode()), int(match[4]), _column(match[3].decode()))
        for match in _MERGED.finditer(content)
    ]
    areas.sort(key=lambda area: area.top, reverse=True)
    events = etree.iterparse(BytesIO(content), events=("end",), tag="{*}row", resolve_entities=False, no_network=True)
    open_areas: list[tuple[_Area, str]] = []
    number = 0
    for _, row in events:
        stated = attribute(row, "r")
        number = int(stated) if re.fullmatch(r"\d{1,7}", stated) else number + 1
        cells = _read_row(row, workbook)
        row.clear()
        while row.getprevious() is not None:
            del row.getparent()[0]
        open_areas = [(area, text) for area, text in open_areas if area.bottom >= number]
        while areas and areas[-1].top <= number:
            area = areas.pop()
            text = cells[area.left] if area.top == number and area.left < len(cells) else ""
            if text and len(text) <= 120:
                open_areas.append((area, text))
        for area, text in open_areas:
            _fill(cells, area, text)
        yield number, cells


def _fill(cells: list[str], area: _Area, text: str) -> None:
    last = min(area.right, _MAX_COLUMNS - 1)
    cells += [""] * (last + 1 - len(cells))
    for column in range(area.left, last + 1):
        cells[column] = text


def _read_row(row: _Element, workbook: _Workbook) -> list[str]:
    cells: list[str] = []
    for node in row:
        if local_name(node) != "c":
            continue
        match = re.match("[A-Z]{1,3}", node.get("r", ""))
        column = _column(match[0]) if match else len(cells)
        if column < _MAX_COLUMNS and (text := _read_cell(node, workbook)):
            cells += [""] * (column + 1 - len(cells))
            cells[column] = text
        elif not match:
            cells.append("")
    return cells


def _column(letters: str) -> int:
    """``A`` is 0, ``AA`` is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _read_cell(cell: _Element, workbook: _Workbook) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        node = child(cell, "is")
        return _read_string(node) if node is not None else ""
    node = child(cell, "v")
    value = (node.text or "") if node is not None else ""
    if not value:  # a formula that no program has computed yet
        formula = child(cell, "f")
        return f"={formula.text}" if formula is not None and formula.text else ""
    if kind == "s":
        return workbook.strings[int(value)] if value.isdecimal() and int(value) < len(workbook.strings) else ""
    if kind == "b":
        return "TRUE" if value == "1" else "FALSE"
    if kind != "n":
        return value
    style = cell.get("s", "0")
    is_known = style.isdecimal() and int(style) < len(workbook.formats)
    return show_number(value, workbook.formats[int(style)] if is_known else "0", workbook.is_1904)
