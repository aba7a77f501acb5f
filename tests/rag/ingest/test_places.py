"""Where passages stand, in words."""

from __future__ import annotations

import pytest

from rag.ingest.blocks import Block
from rag.ingest.places import counts_lines, find_container, find_sections, join_locations, move_lines


@pytest.mark.parametrize(
    ("first", "last", "joined"),
    [
        ("line 3", "line 12", "lines 3-12"),
        ("line 3", "line 3", "line 3"),
        ("lines 3-5", "lines 8-9", "lines 3-9"),
        ("sheet Prices, row 2", "sheet Prices, row 9", "sheet Prices, rows 2-9"),
        ("page 3", "page 4", "pages 3-4"),
        ("sheet A, row 2", "sheet B, row 3", "sheet A, row 2"),
        ("page 3", "", "page 3"),
        ("", "line 4", "line 4"),
        ("", "", ""),
        ("cover", "cover", "cover"),
    ],
)
def test_locations_are_joined(first: str, last: str, joined: str) -> None:
    assert join_locations(first, last) == joined


@pytest.mark.parametrize(
    ("location", "container"),
    [
        ("page 3", "page 3"),
        ("page 3, line 4", "page 3"),
        ("line 40", ""),
        ("sheet Prices, row 12", "sheet Prices"),
        ("slide 2", "slide 2"),
        ("", ""),
    ],
)
def test_containers(location: str, container: str) -> None:
    assert find_container(location) == container


def test_lines_are_moved() -> None:
    assert move_lines("line 3", 4) == "line 7"
    assert counts_lines("page 2, lines 3-4")
    assert not counts_lines("page 3")
    assert move_lines("line 3", 0) == "line 3"


def test_headings_above_a_block() -> None:
    blocks = [Block("T", "heading", 1), Block("a"), Block("B", "heading", 3), Block("C", "heading", 2), Block("d")]
    headings = [section.heading for section in find_sections(blocks, "T")]
    assert headings == ["", "", "B", "C", "C"]
    assert find_sections(blocks, "other")[-1].heading == "T > C"
