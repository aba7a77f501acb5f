"""HTML pages: all text that a reader sees, once, in its order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.ingest.blocks import Block, BlockKind, ParsedDocument
from rag.ingest.loaders.base import build_document, squeeze, to_set
from rag.ingest.loaders.dates import to_iso_date
from rag.ingest.loaders.encodings import decode, find_declared
from rag.ingest.loaders.tables import Cell, build_rows

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = {"ul", "ol", "menu", "dir"}
# Elements that start a new piece of text; all others are part of their line.
_BLOCKS = (
    _LISTS
    | set(_HEADINGS)
    | to_set(
        "address article aside blockquote body button caption center dd details dialog div dl dt fieldset figcaption "
        "figure footer form header hgroup hr html legend li main optgroup option p pre search section select summary "
        "table tbody td tfoot th thead tr"
    )
)
_UNSEEN = to_set(
    "audio canvas datalist embed frameset head iframe link meta nav noembed noframes noscript object script style svg "
    "template textarea title video"
)
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|opacity\s*:\s*0(?![.\d])|font-size\s*:\s*0(?![.\d])", re.I
)
_RULE = re.compile(r"([^{}]{1,500})\{([^{}]{0,2000})\}")
_DATE_NAMES = (
    "article:published_time", "datepublished", "date", "dc.date", "dc.date.issued", "dcterms.issued", "dcterms.date",
    "dcterms.created", "pubdate", "publishdate", "article:modified_time", "datemodified", "last-modified",
)  # fmt: skip
# Tables deeper inside each other than this are read as text.
_MAX_TABLES = 30
_MAX_RULES = 200
# What stands below every page of a site. Other lines of a footer are text like any other.
_BOILERPLATE = re.compile(r"cookie|privacy|copyright|©|all rights reserved|terms of (use|service)", re.IGNORECASE)


def read_html(content: bytes) -> ParsedDocument:
    """The visible text of a page, its title, and the date that its ``meta`` elements state."""
    declared = find_declared(content)
    text, notes = decode(content, declared)
    return read_markup(text, notes)


def read_markup(text: str, notes: tuple[str, ...] = ()) -> ParsedDocument:
    """:func:`read_html` for text that is decoded."""
    from selectolax.lexbor import LexborHTMLParser

    parser = LexborHTMLParser(text)
    root = parser.root
    if root is None:
        return ParsedDocument((), notes=notes)
    blocks = _Walker(_find_hidden(root)).walk(root)
    title = next((squeeze(node.text()) for node in root.css("head > title")), "")
    title = title or next((block.text for block in blocks if block.kind == "heading"), "")
    return build_document(blocks, title, _find_date(root), notes)


def _find_date(root: LexborNode) -> str:
    """The best of the dates that the page states about itself."""
    stated: dict[str, str] = {}
    for meta in root.css("meta"):
        given = meta.attributes
        name = given.get("property") or given.get("name") or given.get("itemprop") or given.get("http-equiv") or ""
        stated.setdefault(name.lower(), to_iso_date(given.get("content") or ""))
    for node in root.css("time[datetime]"):
        name = (node.attributes.get("itemprop") or "").lower()
        if "pubdate" in node.attributes or name in _DATE_NAMES:
            stated.setdefault(name or "pubdate", to_iso_date(node.attributes.get("datetime") or ""))
    for script in root.css('script[type="application/ld+json"]'):
        if match := re.search(r'"(datePublished|dateModified)"\s*:\s*"([^"]{4,40})"', script.text()):
            stated.setdefault(match[1].lower(), to_iso_date(match[2]))
    return next((date for name in _DATE_NAMES if (date := stated.get(name, ""))), "")


def _find_hidden(root: LexborNode) -> frozenset[int]:
    """The elements that the page's own style sheets hide, by their ids in memory."""
    from selectolax.lexbor import SelectolaxError

    hidden: set[int] = set()
    for selector in _list_hiding_rules(root)[:_MAX_RULES]:
        try:
            matches = root.css(selector)
        except (SelectolaxError, ValueError):  # a selector of another dialect
            continue
        hidden.update(node.mem_id for node in matches if node.tag not in ("html", "body", "main"))
    return frozenset(hidden)


def _list_hiding_rules(root: LexborNode) -> list[str]:
    """The selectors of rules that hide what they match, on every medium and in every state."""
    selectors: dict[str, None] = {}
    for style in root.css("style"):
        sheet = re.sub(r"/\*.*?\*/", "", style.text()[:200_000], flags=re.DOTALL)
        sheet = re.sub(r"@[\w-]+[^{;]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet)
        for match in _RULE.finditer(sheet):
            if _HIDDEN_STYLE.search(match[2]) and ":" not in match[1]:
                selectors |= dict.fromkeys(name.strip() for name in match[1].split(","))
    return [selector for selector in selectors if selector and selector != "*"]


@dataclass
class _Table:
    """A table that is being read."""

    node_id: int
    is_layout: bool = False
    rows: list[list[Cell]] = field(default_factory=list)
    cell_id: int = 0


class _Walker:
    """Walks a page without recursion: pages nest thousands deep."""

    def __init__(self, hidden: frozenset[int]) -> None:
        self._hidden = hidden
        self._parts: list[str] = []
        self._sinks: list[list[Block]] = [[]]  # of the page, then of each open cell
        self._tables: list[_Table] = []
        self._kinds: list[tuple[BlockKind, int]] = [("paragraph", 0)]
        self._num_lists = 0
        self._num_pre = 0
        self._num_articles = 0
        self._footer_start = -1

    def walk(self, root: LexborNode) -> list[Block]:
        """The blocks of the page."""
        node: LexborNode | None = root
        while node is not None:
            child = self._enter(node)
            if child is not None:
                node = child
                continue
            self._leave(node)
            while node.next is None and node.parent is not None and node.mem_id != root.mem_id:
                node = node.parent
                self._leave(node)
            node = node.next if node.mem_id != root.mem_id else None
        self._flush()
        return self._sinks[0]

    def _enter(self, node: LexborNode) -> LexborNode | None:
        """Begin a node; its first child, unless there is none to be seen."""
        if node.is_text_node:
            self._add(node.text_content)
        elif node.is_element_node and not self._is_unseen(node):
            self._start(node, node.tag or "")
            return node.first_child
        return None

    def _leave(self, node: LexborNode) -> None:
        if node.is_element_node and not self._is_unseen(node):
            self._end(node, node.tag or "")

    def _is_unseen(self, node: LexborNode) -> bool:
        if node.tag in _UNSEEN:
            return True
        if node.mem_id in self._hidden:
            return True
        attributes = node.attributes
        if not attributes:
            return node.tag == "dialog"
        if "hidden" in attributes or attributes.get("role") == "navigation":
            return True
        if node.tag == "dialog" and "open" not in attributes:
            return True
        return _HIDDEN_STYLE.search(attributes.get("style") or "") is not None

    def _add(self, text: str | None) -> None:
        if text:
            self._parts.append(text if self._num_pre else re.sub(r"[ \t\n\r\f]+", " ", text))

    def _flush(self) -> None:
        """What was gathered becomes a block."""
        if not self._parts:
            return
        text = "".join(self._parts)
        self._parts = []
        kind, level = self._kinds[-1]
        if not self._num_pre:
            text = re.sub(r" *\n *", "\n", re.sub(r"[ \xa0]+", " ", text)).strip()
        if text.strip():
            self._sinks[-1].append(Block(text, kind, level))

    def _start(self, node: LexborNode, name: str) -> None:
        if name == "br":
            self._parts.append("\n")
        if name not in _BLOCKS:
            return
        self._flush()
        if name in _LISTS or name == "dl":
            self._num_lists += 1
        elif name == "pre":
            self._num_pre += 1
            self._kinds.append(("code", 0))
        elif name in _HEADINGS:
            self._kinds.append(("heading", _HEADINGS[name]))
        elif name in ("li", "dd", "dt"):
            self._kinds.append(("item", max(1, self._num_lists)))
        elif name in ("article", "main"):
            self._num_articles += 1
        elif name == "footer" and not self._num_articles and not self._tables and self._footer_start < 0:
            self._footer_start = len(self._sinks[-1])
        elif name == "table":
            if len(self._tables) < _MAX_TABLES:
                self._tables.append(_Table(node.mem_id, node.attributes.get("role") in ("presentation", "none")))
        elif name == "tr" and self._tables:
            self._tables[-1].rows.append([])
        elif name in ("td", "th") and self._tables and not self._tables[-1].cell_id:
            self._tables[-1].cell_id = node.mem_id
            self._sinks.append([])
            self._kinds.append(("paragraph", 0))

    def _end(self, node: LexborNode, name: str) -> None:
        if name not in _BLOCKS:
            return
        self._flush()
        if name in _LISTS or name == "dl":
            self._num_lists -= 1
        elif name == "pre":
            self._num_pre -= 1
            self._kinds.pop()
        elif name in _HEADINGS or name in ("li", "dd", "dt"):
            self._kinds.pop()
        elif name in ("article", "main"):
            self._num_articles -= 1
        elif name == "footer" and self._footer_start >= 0 and not self._num_articles and not self._tables:
            self._end_footer()
        elif name == "table" and self._tables and self._tables[-1].node_id == node.mem_id:
            self._sinks[-1].extend(_end_table(self._tables.pop()))
        elif name in ("td", "th") and self._tables and self._tables[-1].cell_id == node.mem_id:
            self._end_cell(node, name)

    def _end_cell(self, node: LexborNode, name: str) -> None:
        table = self._tables[-1]
        blocks = self._sinks.pop()
        self._kinds.pop()
        table.cell_id = 0
        table.is_layout |= any(block.kind == "heading" for block in blocks)
        if not table.rows:
            table.rows.append([])
        spans = (_read_span(node.attributes.get("colspan")), _read_span(node.attributes.get("rowspan")))
        table.rows[-1].append(Cell(tuple(blocks), *spans, is_heading=name == "th"))

    def _end_footer(self) -> None:
        """Of a page's footer stays what says something."""
        sink = self._sinks[-1]
        lines = [block for block in sink[self._footer_start :] if not _BOILERPLATE.search(block.text)]
        del sink[self._footer_start :]
        sink.extend(lines)
        self._footer_start = -1


def _end_table(table: _Table) -> Iterator[Block]:
    """The rows of a table; the blocks of its cells where it only places them on the page."""
    rows = [row for row in table.rows if row]
    is_frame = len(rows) == 1 and any(len(cell.blocks) > 3 for cell in rows[0])
    if table.is_layout or is_frame:
        return (block for row in rows for cell in row for block in cell.blocks)
    return build_rows(rows)


def _read_span(value: str | None) -> int:
    return max(1, min(int(value), 1000)) if value and re.fullmatch(r"\d{1,5}", value) else 1
