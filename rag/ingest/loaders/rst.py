"""reStructuredText: headings, lists, tables, code and notes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document, clean, squeeze
from rag.ingest.loaders.dates import to_iso_date
from rag.ingest.loaders.encodings import decode
from rag.ingest.loaders.tables import Cell, build_rows
from rag.ingest.loaders.text import split_pieces

if TYPE_CHECKING:
    from docutils.nodes import Node

_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 6,
    "line_length_limit": 10_000_000,
    "_disable_config": True,
    "syntax_highlight": "none",
    "doctitle_xform": False,
    "docinfo_xform": True,
}
_SIMPLE = {"paragraph", "term", "attribution", "rubric", "caption", "line", "subtitle", "title", "field_name"}
_CODE = {"literal_block", "doctest_block", "math_block", "raw"}
_UNSEEN = {"comment", "substitution_definition", "target", "pending", "image", "label", "decoration", "meta"}


def read_rst(content: bytes) -> ParsedDocument:
    """The text without its marks. What an unknown directive holds is read as text; no other file is opened."""
    text, notes = decode(content)
    lines = _protect(clean(text)).split("\n")
    blocks: list[Block] = []
    date = ""

    def is_start(number: int) -> bool:
        is_title = number + 1 < len(lines) and lines[number][:1].strip() != "" and not lines[number - 1].strip()
        return is_title and re.fullmatch(r"([=\-~^\"'#*+.:_`])\1{2,}", lines[number + 1]) is not None

    for start, piece in split_pieces(lines, is_start):
        tree = _parse("\n".join(piece))
        blocks += _Reader(start).read(tree)
        date = date or next((node.astext() for node in tree.findall() if type(node).__name__ == "date"), "")
    title = next((block.text for block in blocks if block.kind == "heading"), "")
    return build_document(blocks, title, to_iso_date(date), notes)


def _parse(text: str) -> Node:
    from docutils.core import publish_doctree

    return publish_doctree(text, settings_overrides=_SETTINGS)


def _protect(text: str) -> str:
    """Roles that only other tools know become their text; so do their directives that hold text."""
    text = re.sub(r":[a-z][\w:.+-]{0,40}:`~?!?([^`<]{1,500}?)(?:\s*<[^`>]{0,500}>)?`", r"\1", text)
    return re.sub(
        r"^(\s*)\.\. (?:rst-class|index|only|toctree|highlight|currentmodule)::.*$", r"\1..", text, flags=re.M
    )


class _Reader:
    """Walks the tree. docutils itself nests by recursion, so that what it reads is never deeper than this can go."""

    def __init__(self, num_before: int) -> None:
        self._num_before = num_before
        self._depth = 0
        self._num_lists = 0
        self._line = 1

    def read(self, node: Node) -> Iterator[Block]:
        """The blocks below ``node``."""
        for each in node.children:
            name = type(each).__name__
            line = getattr(each, "line", None)
            self._line = line or self._line
            if name in _UNSEEN:
                continue
            if name == "title":
                yield self._build(each, "heading", max(1, self._depth))
            elif name == "table":
                yield from self._read_table(each)
            elif name == "system_message":
                yield from self._read_message(each)
            elif name in _CODE:
                yield self._build(each, "code", 0)
            elif name in _SIMPLE or name == "Text":
                kind = "item" if self._num_lists else "paragraph"
                yield self._build(each, kind, self._num_lists)
            elif name == "field":
                yield Block(squeeze(": ".join(child.astext() for child in each.children)), "row", 0, self._place())
            elif name in _DOCINFO:
                yield Block(f"{name}: {squeeze(each.astext())}", "row", 0, self._place())
            else:
                yield from self._enter(each, name)

    def _enter(self, node: Node, name: str) -> Iterator[Block]:
        is_section, is_list = name == "section", name.endswith("_list") and name != "field_list"
        self._depth += is_section
        self._num_lists += is_list
        yield from self.read(node)
        self._depth -= is_section
        self._num_lists -= is_list

    def _place(self) -> str:
        return f"line {self._line + self._num_before}"

    def _build(self, node: Node, kind: Any, level: int) -> Block:
        text = node.astext()
        return Block(text if kind == "code" else text.replace("\n", " "), kind, level, self._place())

    def _read_message(self, message: Node) -> Iterator[Block]:
        """What docutils could not read stands in its message as it was in the file."""
        for node in message.children:
            if type(node).__name__ == "literal_block":
                text = re.sub(r"^\s*\.\. [\w:+.-]+::[ \t]*", "", node.astext())
                lines = [line for line in text.split("\n") if not re.match(r"\s*:[\w-]+:(\s|$)", line)]
                yield Block("\n".join(line.strip() for line in lines), location=self._place())

    def _read_table(self, table: Node) -> Iterator[Block]:
        rows: list[list[Cell]] = []
        num_headings = 0
        for node in table.findall():
            name = type(node).__name__
            if name == "title":
                yield self._build(node, "paragraph", 0)
            elif name == "row":
                rows.append([self._read_cell(entry) for entry in node.children])
                num_headings += type(node.parent).__name__ == "thead"
        yield from build_rows(rows, num_headings or None, lambda row: self._place())

    def _read_cell(self, entry: Any) -> Cell:
        blocks = tuple(self.read(entry))
        return Cell(blocks, int(entry.get("morecols", 0)) + 1, int(entry.get("morerows", 0)) + 1)


_DOCINFO = {"author", "organization", "contact", "version", "status", "date", "copyright", "address", "revision"}
