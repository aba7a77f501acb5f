"""PowerPoint slides: titles, texts, tables, charts, diagrams and the speaker's notes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, BlockKind, ParsedDocument
from rag.ingest.loaders.base import build_document, squeeze
from rag.ingest.loaders.docx import read_title
from rag.ingest.loaders.package import Package, attribute, child, find_relation_id, local_name
from rag.ingest.loaders.tables import Cell, build_cell, build_rows

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAIN = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
_SPANS = ("gridSpan", "rowSpan")
# Placeholders whose text is that of the template, not of the slide.
_TEMPLATE = ("sldNum", "dt", "hdr")


def read_pptx(content: bytes) -> ParsedDocument:
    """All slides in their order.

    Raises:
        SourceError: damaged, or encrypted.
    """
    package = Package(content)
    if _MAIN not in package:
        raise SourceError(f"it lacks its part {_MAIN}; it is no PowerPoint file, or damaged")
    slides = _find_slides(package)
    if not slides:
        raise SourceError("it has no slides that can be found")
    blocks = [block for number, name in enumerate(slides, start=1) for block in _read_slide(package, name, number)]
    title = read_title(package) or next((block.text for block in blocks if block.kind == "heading"), "")
    return build_document(blocks, title, notes=package.notes)


def _find_slides(package: Package) -> list[str]:
    """The parts of the slides, in the order of the show; by their names where the list is damaged."""
    relations = package.read_relations(_MAIN)
    ids = [find_relation_id(node) for node in package.read_xml(_MAIN).iter("{*}sldId")]
    names = [relations[each] for each in ids if relations.get(each, "") in package]
    loose = [name for name in package.names if re.fullmatch(r"ppt/slides/slide\d+\.xml", name)]
    return names or sorted(loose, key=lambda name: int(re.sub(r"\D", "", name)))


def _read_slide(package: Package, name: str, number: int) -> Iterator[Block]:
    place = f"slide {number}"
    relations = package.read_relations(name)
    tree = child(package.read_xml(name), "cSld", "spTree")
    if tree is not None:
        shapes = sorted(_find_shapes(tree), key=lambda shape: _placeholder(shape) not in _TITLES)
        for shape in shapes:
            yield from _read_shape(package, relations, shape, place)
    notes = next((part for part in relations.values() if "notesSlides/" in part and part in package), "")
    root = package.read_optional(notes)
    if root is not None:
        for shape in root.iter("{*}sp"):
            if _placeholder(shape) == "body":
                yield from _read_text(shape, "paragraph", f"{place}, notes")


def _find_shapes(tree: _Element) -> Iterator[_Element]:
    """Texts and frames in their order; those of groups where the group stands."""
    for node in tree:
        name = local_name(node)
        if name in ("sp", "graphicFrame", "cxnSp", "pic"):
            yield node
        elif name in ("grpSp", "AlternateContent", "Choice"):
            yield from _find_shapes(node)


def _placeholder(shape: _Element) -> str:
    """The role of a shape in its slide: ``title``, ``body``; empty for a free shape."""
    for node in shape:
        if local_name(node).startswith("nv"):
            holder = child(node, "nvPr", "ph")
            return attribute(holder, "type", "body") if holder is not None else ""
    return ""


def _read_shape(package: Package, relations: dict[str, str], shape: _Element, place: str) -> Iterator[Block]:
    role = _placeholder(shape)
    if role in _TEMPLATE:
        return
    if role in _TITLES:
        yield Block(
            squeeze(" ".join(block.text for block in _read_text(shape, "paragraph", place))), "heading", 1, place
        )
        return
    if local_name(shape) != "graphicFrame":
        yield from _read_text(shape, "item" if role in ("body", "obj") else "paragraph", place)
        return
    for table in shape.iter("{*}tbl"):
        yield from _read_table(table, place)
    for node in shape.iter("{*}chart", "{*}relIds"):
        part = relations.get(attribute(node, "id") or attribute(node, "dm"), "")
        root = package.read_optional(part)
        if root is not None:
            yield from read_chart(root, place) if local_name(node) == "chart" else _read_diagram(root, place)


def _read_text(shape: _Element, kind: BlockKind, place: str) -> Iterator[Block]:
    for paragraph in shape.iter("{*}p"):
        properties = child(paragraph, "pPr")
        level = attribute(properties, "lvl", "0") if properties is not None else "0"
        depth = int(level) + 1 if level.isdecimal() and len(level) == 1 else 1
        marks = {local_name(node) for node in properties} if properties is not None else set()
        is_item = kind == "item" or not marks.isdisjoint(("buAutoNum", "buChar"))
        yield Block(_join(paragraph), "item" if is_item else kind, depth if is_item else 0, place)


def _join(paragraph: _Element) -> str:
    nodes = paragraph.iter("{*}t", "{*}br", "{*}tab")
    return "".join((node.text or "") if local_name(node) == "t" else "\n" for node in nodes)


def _read_table(table: _Element, place: str) -> Iterator[Block]:
    rows = []
    for row in table:
        if local_name(row) == "tr":
            cells = [node for node in row if local_name(node) == "tc" and not _is_covered(node)]
            rows.append([_read_cell(cell) for cell in cells])
    properties = child(table, "tblPr")
    has_headings = properties is not None and attribute(properties, "firstRow") in ("1", "true") and len(rows) > 1
    yield from build_rows(rows, 1 if has_headings else None, lambda row: place)


def _is_covered(cell: _Element) -> bool:
    return attribute(cell, "hMerge") in ("1", "true") or attribute(cell, "vMerge") in ("1", "true")


def _read_cell(cell: _Element) -> Cell:
    text = " ".join(_join(paragraph) for paragraph in cell.iter("{*}p"))
    spans = [int(value) if re.fullmatch(r"\d{1,3}", value := attribute(cell, name)) else 1 for name in _SPANS]
    return Cell((Block(text),), max(1, spans[0]), max(1, spans[1]))


def read_chart(root: _Element, place: str) -> Iterator[Block]:
    """The numbers of a chart as a table: a row for each category, a column for each series."""
    title = child(root, "chart", "title")
    if title is not None:
        yield Block(" ".join(_join(paragraph) for paragraph in title.iter("{*}p")), location=place)
    series = list(root.iter("{*}ser"))[:50]
    names = [" ".join(_read_points(node, "tx").values()) for node in series]
    labels: dict[int, str] = {}
    for node in series:
        labels |= _read_points(node, "cat") or _read_points(node, "xVal")
    values = [_read_points(node, "val") or _read_points(node, "yVal") for node in series]
    rows = [[build_cell(""), *map(build_cell, names)]]
    rows += [
        [build_cell(labels.get(index, "")), *(build_cell(each.get(index, "")) for each in values)]
        for index in sorted({index for each in values for index in each})
    ]
    yield from build_rows(rows, 1, lambda row: place)


def _read_points(series: _Element, name: str) -> dict[int, str]:
    """The values that the file keeps of one part of a series, by their index."""
    part = child(series, name)
    if part is None:
        return {}
    points = {}
    for point in part.iter("{*}pt"):
        value = child(point, "v")
        index = attribute(point, "idx")
        if value is not None and re.fullmatch(r"\d{1,6}", index):
            points[int(index)] = squeeze(value.text or "")
    return points


def _read_diagram(root: _Element, place: str) -> Iterator[Block]:
    for point in root.iter("{*}pt"):
        text = " ".join(_join(paragraph) for paragraph in point.iter("{*}p"))
        yield Block(text, "item", 1, place)
