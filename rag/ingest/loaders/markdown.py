"""Markdown (CommonMark with tables): headings, lists, tables, code, and the fields before the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rag.ingest.blocks import Block, BlockKind, ParsedDocument
from rag.ingest.loaders.base import build_document, clean
from rag.ingest.loaders.dates import to_iso_date
from rag.ingest.loaders.encodings import decode
from rag.ingest.loaders.html import read_markup
from rag.ingest.loaders.tables import Cell, build_cell, build_rows
from rag.ingest.loaders.text import split_pieces

if TYPE_CHECKING:
    from markdown_it.token import Token

_FIELDS = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?\n)?(---|\+\+\+|\.\.\.)[ \t]*(\n|\Z)", re.DOTALL)
# Pictures inside the text, as links or in HTML: their bytes are no words.
_DATA = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w=.-]+)*(?:;base64)?,[A-Za-z0-9+/=%_.~-]*", re.IGNORECASE)
# A note at the foot, which CommonMark takes for the target of a link and drops.
_NOTE = re.compile(r"^( {0,3})\[\^(?=[^\]\n]+\]:)", re.MULTILINE)
_FIELD_LINE = re.compile(r"[\w-]+\s*[:=].*|[\s#\-\]}].*|")
_SAID_FIELDS = ("author", "authors", "subtitle", "description", "summary", "abstract", "tags", "keywords", "categories")
_DATE_FIELDS = ("date", "published", "created", "updated", "lastmod", "modified")


def read_markdown(content: bytes) -> ParsedDocument:
    """The text without its marks. The title is that of the front matter, else the first heading."""
    text, notes = decode(content)
    text = _NOTE.sub(r"\1\\[^", _DATA.sub("", clean(text)))
    fields, num_lines = _read_fields(text)
    said = "; ".join(f"{name}: {fields[name]}" for name in _SAID_FIELDS if fields.get(name))
    blocks = [Block(said, location="line 1"), *_read_pieces(text.split("\n"), num_lines)]
    title = fields.get("title", "") or next((block.text for block in blocks if block.kind == "heading"), "")
    date = next((iso for name in _DATE_FIELDS if (iso := to_iso_date(fields.get(name, "")))), "")
    return build_document(blocks, title, date, notes)


def _read_fields(text: str) -> tuple[dict[str, str], int]:
    """The fields of the front matter (YAML or TOML) that have one value, and the number of its lines."""
    match = _FIELDS.match(text)
    lines = (match[2] or "").split("\n") if match else []
    if not match or not any(lines) or not all(_FIELD_LINE.fullmatch(line) for line in lines):
        return {}, 0
    fields: dict[str, str] = {}
    for line in lines:
        if each := re.match(r"([\w-]+)\s*[:=]\s*(.+)", line):
            fields.setdefault(each[1].lower(), _unquote(each[2]))
    return fields, match[0].count("\n") + (not match[0].endswith("\n"))


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] in "\"'" and (end := value.find(value[0], 1)) > 0:
        return value[1:end]
    return value.split(" #")[0].strip()


def _read_pieces(lines: list[str], num_fields: int) -> Iterator[Block]:
    """The blocks of all lines behind the front matter."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])
    body = lines[num_fields:]
    fenced = _find_fenced(body)

    def is_start(number: int) -> bool:
        return body[number][:1].strip() != "" and number not in fenced and not body[number - 1].strip()

    for start, piece in split_pieces(body, is_start):
        yield from _Reader(num_fields + start).read(parser.parse("\n".join(piece)))


def _find_fenced(lines: Sequence[str]) -> set[int]:
    """The lines inside of code between fences."""
    fenced: set[int] = set()
    fence = ""
    for number, line in enumerate(lines):
        if match := re.match(r" {0,3}(`{3,}|~{3,})", line):
            if not fence:
                fence = match[1]
            elif match[1].startswith(fence):
                fence = ""
        elif fence:
            fenced.add(number)
    return fenced


class _Reader:
    """Goes through the flat list of tokens."""

    def __init__(self, num_before: int) -> None:
        self._num_before = num_before
        self._num_lists = 0
        self._heading = 0
        self._rows: list[list[Cell]] = []
        self._row_lines: list[int] = []
        self._line = 0
        self._number = ""

    def read(self, tokens: Sequence[Token]) -> Iterator[Block]:
        """The blocks, in order."""
        for token in tokens:
            if token.map:
                self._line = token.map[0] + 1 + self._num_before
            name = token.type
            if name in ("bullet_list_open", "ordered_list_open"):
                self._num_lists += 1
            elif name in ("bullet_list_close", "ordered_list_close"):
                self._num_lists -= 1
            elif name == "list_item_open":
                self._number = f"{token.info}{token.markup} " if token.info else ""
            elif name == "heading_open":
                self._heading = int(token.tag[1:])
            elif name == "heading_close":
                self._heading = 0
            elif name == "tr_open":
                self._rows.append([])
                self._row_lines.append(self._line)
            elif name == "table_close":
                yield from self._end_table()
            elif name == "inline":
                yield from self._read_inline(token)
            elif name in ("fence", "code_block"):
                yield Block(token.content, "code", location=self._place(self._line + (name == "fence")))
            elif name == "html_block":
                yield from self._read_html(token.content)

    def _place(self, line: int) -> str:
        return f"line {line}"

    def _read_inline(self, token: Token) -> Iterator[Block]:
        text = join_inline(token.children or [])
        if self._rows:
            self._rows[-1].append(build_cell(text))
            return
        kind: BlockKind = "heading" if self._heading else "item" if self._num_lists else "paragraph"
        yield Block(self._number + text, kind, self._heading or self._num_lists, self._place(self._line))
        self._number = ""

    def _read_html(self, markup: str) -> Iterator[Block]:
        for block in read_markup(markup).blocks:
            yield Block(block.text, block.kind, block.level, self._place(self._line))

    def _end_table(self) -> Iterator[Block]:
        rows, lines = self._rows, self._row_lines
        self._rows, self._row_lines = [], []
        yield from build_rows(rows, 1, lambda row: self._place(lines[row]))


def join_inline(tokens: Sequence[Token]) -> str:
    """The words of a line: of links their text, of pictures what is said in their place."""
    parts = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif token.type == "html_inline":
            parts.append("\n" if token.content.lower().startswith("<br") else "")
        else:
            parts.append(token.content)
    return "".join(parts)
