"""Which rows are headings, and what rows become."""

from __future__ import annotations

import pytest

from rag.ingest.loaders.sheets import build_sheet
from rag.ingest.loaders.tables import Cell, build_cell, build_rows, count_headings


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        ([["Berth", "Fee"], ["North", "17"]], 1),
        ([["Name", "Role"], ["Jana Ruud", "skipper"], ["Tom Vik", "engineer"]], 1),
        ([["City", "2023", "2024"], ["Oslo", "5", "7"]], 1),
        ([["", "2023", "2024"], ["Oslo", "5", "7"]], 1),
        ([["Day", "1", "2", "3"], ["Oslo", "5", "7", "9"]], 1),
        ([["", "Price", "Price"], ["City", "2023", "2024"], ["Oslo", "5", "7"]], 2),
        ([["Captain", "Jana Ruud"], ["Engineer", "Tom Vik"]], 0),
        ([["Name:", "Jana"], ["Role:", "skipper"]], 0),
        ([["Name", "Jana"], ["Age", "45"], ["City", "Oslo"], ["Fee", "7"]], 0),
        ([["Oslo", "5"], ["Bergen", "7"]], 0),
        ([["-c", "checks only"], ["-o", "output"]], 0),
        ([["Berth 4", "Skipper"]], 0),
        ([], 0),
    ],
)
def test_headings_that_are_not_declared(rows: list[list[str]], number: int) -> None:
    assert count_headings(rows) == number


def test_a_table_of_one_column_is_a_frame() -> None:
    assert [block.text for block in build_rows([[build_cell("a")], [build_cell("b")]])] == ["a", "b"]


def test_spans_beyond_the_table() -> None:
    wide = Cell(build_cell("x").blocks, 10_000_000, 10_000_000)
    rows = [[build_cell("a"), build_cell("b")], [wide], [build_cell("c")]]
    assert [block.text for block in build_rows(rows, 0)] == ["a | b", "x", "x | c"]


def rows_of_sheet(rows: list[list[str]]) -> list[tuple[str, str]]:
    numbered = list(enumerate(rows, start=1))
    return [(block.location, block.text) for block in build_sheet(numbered, lambda row: f"row {row}")]


def test_sheets_with_a_title_above_the_table_and_a_note_below() -> None:
    rows = [["Fees of 2024", ""], ["", ""], ["Berth", "Fee"], ["North", "17"], ["", ""], ["All in crowns", ""]]
    assert rows_of_sheet(rows) == [
        ("row 1", "Fees of 2024"),
        ("row 3", "Berth | Fee"),
        ("row 4", "Berth: North; Fee: 17"),
        ("row 6", "All in crowns"),
    ]


def test_headings_go_on_after_an_empty_row_unless_there_are_new_ones() -> None:
    rows = [["Berth", "Fee"], ["North", "17"], [], ["South", "9"], [], ["Keeper", "Age"], ["Ada", "45"], ["Bo", "50"]]
    assert rows_of_sheet(rows)[2:] == [
        ("row 4", "Berth: South; Fee: 9"),
        ("row 6", "Keeper | Age"),
        ("row 7", "Keeper: Ada; Age: 45"),
        ("row 8", "Keeper: Bo; Age: 50"),
    ]


def test_a_long_sheet_streams_with_its_headings() -> None:
    rows = [["Berth", "Fee"], *([f"Quay {i}", str(i)] for i in range(500))]
    assert rows_of_sheet(rows)[-1] == ("row 501", "Berth: Quay 499; Fee: 499")
