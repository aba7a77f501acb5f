"""What a paragraph of a Word document is: a heading, an item of a list with its number, or plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.ingest.blocks import BlockKind
from rag.ingest.loaders.package import Package, attribute, child, local_name

if TYPE_CHECKING:
    from lxml.etree import _Element


@dataclass(frozen=True)
class ParagraphStyle:
    """Kind and level as in :class:`rag.ingest.blocks.Block`; the number that Word shows before the text."""

    kind: BlockKind = "paragraph"
    level: int = 0
    number: str = ""
    is_title: bool = False


@dataclass(frozen=True)
class _Level:
    """One level of a numbered list: first number, format, pattern such as ``%1.%2``."""

    start: int
    style: str
    pattern: str


class Styles:
    """The styles and lists of one document. Counts the numbers of lists as paragraphs go by."""

    def __init__(self, styles: dict[str, _Element], lists: dict[str, dict[int, _Level]]) -> None:
        self._styles = styles
        self._lists = lists
        self._counts: dict[str, list[int]] = {}

    def look_up(self, paragraph: _Element) -> ParagraphStyle:
        """What the paragraph is. To be called once for each, in their order."""
        chain = list(self._chain(paragraph))
        names = [attribute(name, "val").lower() for each in chain if (name := child(each, "name")) is not None]
        number, item_level = self._count(chain)
        level = _find_outline(chain)
        for name in names:
            if match := re.fullmatch(r"heading (\d)", name):
                level = level or int(match[1])
        if level:
            return ParagraphStyle("heading", level, number)
        if "title" in names:
            return ParagraphStyle("heading", 1, number, is_title=True)
        if item_level:
            return ParagraphStyle("item", item_level, number)
        return ParagraphStyle()

    def _chain(self, paragraph: _Element) -> Iterator[_Element]:
        """The paragraph, its style, and the styles that this one is based on."""
        yield paragraph
        reference, seen = child(paragraph, "pPr", "pStyle"), set[str]()
        while reference is not None:
            style_id = attribute(reference, "val")
            if style_id in seen or style_id not in self._styles:
                return
            seen.add(style_id)
            yield self._styles[style_id]
            reference = child(self._styles[style_id], "basedOn")

    def _count(self, chain: list[_Element]) -> tuple[str, int]:
        """The number before the paragraph, and its level in a list from 1; 0 for none."""
        properties = [node for each in chain if (node := child(each, "pPr", "numPr")) is not None]
        ids = [attribute(node, "val") for each in properties if (node := child(each, "numId")) is not None]
        if not ids or ids[0] == "0":
            return "", 0
        depths = [attribute(node, "val") for each in properties if (node := child(each, "ilvl")) is not None]
        depth = int(depths[0]) if depths and re.fullmatch("[0-8]", depths[0]) else 0
        levels = self._lists.get(ids[0], {})
        counts = self._counts.setdefault(ids[0], [])
        while len(counts) <= depth:
            start = levels[len(counts)].start if len(counts) in levels else 1
            counts.append(start - 1 if len(counts) == depth else start)
        counts[depth] += 1
        del counts[depth + 1 :]
        return _format(levels, counts), depth + 1


def read_styles(package: Package) -> Styles:
    """Styles and lists of a document; none where their parts are missing or damaged."""
    styles = {
        attribute(style, "styleId"): style
        for style in _children(package.read_optional("word/styles.xml"))
        if local_name(style) == "style"
    }
    root = _children(package.read_optional("word/numbering.xml"))
    patterns = {
        attribute(each, "abstractNumId"): _read_levels(each) for each in root if local_name(each) == "abstractNum"
    }
    lists = {}
    for each in root:
        if local_name(each) == "num" and (link := child(each, "abstractNumId")) is not None:
            lists[attribute(each, "numId")] = patterns.get(attribute(link, "val"), {})
    return Styles(styles, lists)


def _children(root: _Element | None) -> list[_Element]:
    return list(root) if root is not None else []


def _read_levels(pattern: _Element) -> dict[int, _Level]:
    levels = {}
    for level in pattern:
        depth = attribute(level, "ilvl")
        if local_name(level) == "lvl" and re.fullmatch("[0-8]", depth):
            values = {local_name(node): attribute(node, "val") for node in level}
            start = int(values["start"]) if re.fullmatch(r"\d{1,6}", values.get("start", "")) else 1
            levels[int(depth)] = _Level(start, values.get("numFmt", "decimal"), values.get("lvlText", ""))
    return levels


def _find_outline(chain: list[_Element]) -> int:
    """The outline level that the paragraph or one of its styles states, from 1; 0 for none."""
    for each in chain:
        node = child(each, "pPr", "outlineLvl")
        if node is not None:
            value = attribute(node, "val")
            return int(value) + 1 if re.fullmatch("[0-8]", value) else 0
    return 0


def _format(levels: dict[int, _Level], counts: list[int]) -> str:
    """The number as Word shows it, with a blank behind; empty for bullets."""
    level = levels.get(len(counts) - 1)
    if level is None or level.style in ("bullet", "none") or "%" not in level.pattern:
        return ""

    def show(match: re.Match[str]) -> str:
        depth = int(match[1]) - 1
        style = levels[depth].style if depth in levels else "decimal"
        return _show_number(counts[depth], style) if depth < len(counts) else ""

    return re.sub(r"%([1-9])", show, level.pattern) + " "


def _show_number(value: int, style: str) -> str:
    if style in ("lowerLetter", "upperLetter") and 0 < value <= 780:
        text = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)
    elif style in ("lowerRoman", "upperRoman") and 0 < value < 4000:
        text = _show_roman(value)
    else:
        return str(value)
    return text.upper() if style.startswith("upper") else text


def _show_roman(value: int) -> str:
    numerals = ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i")
    amounts = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    text = ""
    for amount, numeral in zip(amounts, numerals, strict=True):
        text += numeral * (value // amount)
        value %= amount
    return text
