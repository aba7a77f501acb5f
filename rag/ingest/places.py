"""Where a passage stands in its document: the headings above it, and the place of its first and last block."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.core.encoding import HEADING_SEPARATOR
from rag.ingest.blocks import Block

_MAX_HEADING_CHARS = 100
_COUNTED = re.compile(r"(?P<head>.*?)(?P<unit>[^\W\d_]+?)s? (?P<first>\d+)(?:-(?P<last>\d+))?", re.DOTALL)
# Units that follow each other within a page or sheet. A passage covers several of them, but never two pages.
_SMALL_UNITS = frozenset(("line", "row", "record", "entry", "item", "paragraph", "block", "message"))


@dataclass(frozen=True)
class Section:
    """What all of a passage has in common: headings above it, and the page, slide or sheet."""

    heading: str = ""
    container: str = ""


def find_sections(blocks: Sequence[Block], title: str) -> list[Section]:
    """The section of each block; a heading is in its own."""
    sections = []
    trail: list[tuple[int, str]] = []
    for block in blocks:
        if block.kind == "heading":
            trail = [(level, text) for level, text in trail if level < max(block.level, 1)]
            trail.append((max(block.level, 1), _shorten(block.text)))
        names = [text for _, text in trail]
        heading = HEADING_SEPARATOR.join(names[1:] if names and names[0] == title else names)
        sections.append(Section(heading, find_container(block.location)))
    return sections


def find_container(location: str) -> str:
    """The page, slide or sheet in a location, without the line or row."""
    match = _COUNTED.fullmatch(location)
    if match is None or match["unit"].lower() not in _SMALL_UNITS:
        return location
    return match["head"].rstrip(" ,")


def join_locations(first: str, last: str) -> str:
    """The range from one location to another: ``lines 3-12``. Of two that cannot be joined, the first."""
    one, other = _COUNTED.fullmatch(first), _COUNTED.fullmatch(last)
    if first == last or not one or not other or (one["head"], one["unit"]) != (other["head"], other["unit"]):
        return first or last
    low, high = int(one["first"]), int(other["last"] or other["first"])
    return f"{one['head']}{one['unit']} {low}" if low >= high else f"{one['head']}{one['unit']}s {low}-{high}"


def counts_lines(location: str) -> bool:
    """Whether the number in a location is that of a line."""
    match = _COUNTED.fullmatch(location)
    return match is not None and match["unit"] == "line"


def move_lines(location: str, num_lines: int) -> str:
    """The line that is ``num_lines`` lines below the one in ``location``."""
    match = _COUNTED.fullmatch(location)
    if not num_lines or match is None:
        return location
    return f"{match['head']}line {int(match['first']) + num_lines}"


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_HEADING_CHARS else text[: _MAX_HEADING_CHARS - 1].rstrip() + "…"
