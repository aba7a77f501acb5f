"""From the cells of a table to rows that carry their headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.ingest.blocks import Block
from rag.ingest.loaders.base import squeeze

# Longer texts are no headings, and are not repeated in the rows that they span.
_MAX_REPEATED = 120
_VALUE = re.compile(r"[-+(=]?\s*[$€£¥₹#]?\s*[-+]?[.,]?\d")
_NO_HEADING = re.compile(r"^[-+*/\\<>=]|[.,;!]$")
_PERIOD = re.compile(r"(1[5-9]|2[01])\d\d([-/\u2013.]\d{1,4})?")


@dataclass(frozen=True)
class Cell:
    """One cell: what it holds, how many columns and rows it spans, whether the file calls it a heading."""

    blocks: tuple[Block, ...]
    num_columns: int = 1
    num_rows: int = 1
    is_heading: bool = False

    @property
    def text(self) -> str:
        """Its text on one line; rows of tables inside are left out, they stand for themselves."""
        return squeeze(" ".join(block.text for block in self.blocks if block.kind != "row"))

    @property
    def inner(self) -> tuple[Block, ...]:
        """The rows of tables inside."""
        return tuple(block for block in self.blocks if block.kind == "row")


@dataclass(frozen=True)
class _Slot:
    """A place of the grid: the text that shows there, and the number of the cell that covers it."""

    text: str
    cell: int


_EMPTY = _Slot("", -1)


def build_cell(text: str, is_heading: bool = False) -> Cell:
    """A cell that holds nothing but text."""
    return Cell((Block(text),), is_heading=is_heading)


def build_rows(
    rows: Sequence[Sequence[Cell]],
    num_headings: int | None = None,
    locate: Callable[[int], str] = lambda row: "",
) -> Iterator[Block]:
    """The blocks of a table, row by row: ``Price: 12; Day: Sun``.

    Args:
        rows: the cells as the file lists them; a cell that spans rows is listed once.
        num_headings: how many rows at the top are headings; ``None``: see :func:`count_headings`.
        locate: the place of row ``i``, from 0.
    """
    if max(map(len, rows), default=0) <= 1 and all(cell.num_columns == 1 for row in rows for cell in row):
        yield from (block for row in rows for cell in row for block in cell.blocks)  # a frame, no table
        return
    grid = _build_grid(rows)
    if num_headings is None and _names_its_rows(rows):
        for number, row in enumerate(grid):
            yield Block(_join_named(row), "row", location=locate(number))
            yield from (block for cell in rows[number] for block in cell.inner)
        return
    if num_headings is None:
        num_headings = _count_declared(rows) or count_headings([[slot.text for slot in row] for row in grid])
    headings = join_headings([[slot.text for slot in row] for row in grid[:num_headings]])
    for number, (row, cells) in enumerate(zip(grid, rows, strict=True)):
        text = _join_plain(row) if number < num_headings else _join_with_headings(row, headings)
        yield Block(text, "row", location=locate(number))
        yield from (block for cell in cells for block in cell.inner)


def _build_grid(rows: Sequence[Sequence[Cell]]) -> list[list[_Slot]]:
    """Each row with a slot per column. Cells that span rows or columns show in each of them."""
    grid: list[list[_Slot]] = []
    open_slots: dict[int, tuple[_Slot, int]] = {}  # by column: what reaches down, and how many more rows
    # A span may be declared far wider than the table is.
    max_columns = max(20, 4 * max(map(len, rows), default=0))
    num_left = 200_000 + 20 * sum(map(len, rows))  # places; when they are used up, no cell spans any more
    number = 0
    for cells in rows:
        slots: list[_Slot] = []
        starting: dict[int, tuple[_Slot, int]] = {}
        for cell in cells:
            _take_open(slots, open_slots)
            slot = _Slot(cell.text, number)
            below = slot if len(slot.text) <= _MAX_REPEATED else _Slot("", number)
            number += 1
            for _ in range(max(1, min(cell.num_columns, max_columns - len(slots)))):
                if cell.num_rows > 1 and num_left > 0:
                    starting[len(slots)] = (below, cell.num_rows - 1)
                slots.append(slot)
        last = max(open_slots, default=-1)
        while len(slots) <= last:
            slots += [_EMPTY] * (len(slots) not in open_slots)
            _take_open(slots, open_slots)
        num_left -= len(slots)
        open_slots = open_slots | starting if num_left > 0 else {}
        grid.append(slots)
    return grid


def _take_open(slots: list[_Slot], open_slots: dict[int, tuple[_Slot, int]]) -> None:
    """Add what reaches down from the rows above into the next columns."""
    while len(slots) in open_slots:
        slot, num_left = open_slots.pop(len(slots))
        if num_left > 1:
            open_slots[len(slots)] = (slot, num_left - 1)
        slots.append(slot)


def _names_its_rows(rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether the first cell of each row is called a heading, and no other."""
    filled = [row for row in rows if any(cell.text for cell in row)]
    return bool(filled) and all(
        len(row) == 1 or (row[0].is_heading and not any(cell.is_heading for cell in row[1:])) for row in filled
    )


def _join_named(row: Sequence[_Slot]) -> str:
    """``Berth: 4``."""
    name, _, values = _join_plain(row).partition(" | ")
    return f"{name.rstrip(': ')}: {values}" if values else name


def _count_declared(rows: Sequence[Sequence[Cell]]) -> int:
    """Rows at the top whose cells are all called headings. Where nearly all rows are, none is."""
    count = 0
    for row in rows[:-1]:
        if not row or not all(cell.is_heading or not cell.text for cell in row):
            break
        count += 1
    is_said = any(cell.text for row in rows[:count] for cell in row) and (count == 1 or count < len(rows) - 1)
    return count if is_said else 0


def join_headings(rows: Sequence[Sequence[str]]) -> list[str]:
    """One heading per column: those of several rows are joined, each once."""
    width = max(map(len, rows), default=0)
    headings = []
    for column in range(width):
        parts = dict.fromkeys(row[column].rstrip(": ") for row in rows if column < len(row) and row[column])
        heading = " ".join(parts)
        headings.append(heading if len(heading) <= _MAX_REPEATED else "")
    return headings


def _join_plain(row: Sequence[_Slot]) -> str:
    return join_plain(list({slot.cell: slot.text for slot in row if slot.text}.values()))


def join_plain(texts: Sequence[str]) -> str:
    """Cells without headings: ``North | 17``; ``Captain: Jana Ruud`` where the first one names the other."""
    if len(texts) > 1 and texts[0].endswith(":"):
        return f"{texts[0]} {' | '.join(texts[1:])}"
    return " | ".join(texts)


def _join_with_headings(row: Sequence[_Slot], headings: Sequence[str]) -> str:
    """A cell over several columns shows once, under the headings of all."""
    columns: dict[int, list[int]] = {}
    for column, slot in enumerate(row):
        if slot.text:
            columns.setdefault(slot.cell, []).append(column)
    if not any(headings) or (len(columns) == 1 and len(next(iter(columns.values()))) > 1):
        return _join_plain(row)
    parts = []
    for covered in columns.values():
        names = dict.fromkeys(headings[column] for column in covered[:8] if column < len(headings))
        heading = " / ".join(name for name in names if name)
        text = row[covered[0]].text
        parts.append(f"{heading}: {text}" if heading else text)
    return "; ".join(parts)


def is_value(text: str) -> bool:
    """Whether a cell holds a number, an amount or a date rather than a name."""
    return _VALUE.match(text) is not None


def count_headings(rows: Sequence[Sequence[str]]) -> int:
    """How many rows at the top look like headings, for files that do not say (0, 1 or 2).

    Names over values are headings, and so are years. A first row that looks like the rows below it is none.
    """
    if len(rows) < 2:
        return 0
    first, body = rows[0], rows[1:]
    if not _may_be_headings(first, body):
        return 0
    is_grouped = any(first[i] and first[i] == first[i + 1] for i in range(len(first) - 1))
    if is_grouped and len(rows) > 2 and _may_be_headings(rows[1], rows[2:]):
        return 2
    return 1


def _may_be_headings(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    filled = [text for text in first if text]
    if len(filled) < max(1, len(first) / 2) or any(len(text) > 80 or _NO_HEADING.search(text) for text in filled):
        return False
    if len(first) == 2 and any(len(text.split()) > 4 for text in filled):
        return False
    values = [text for text in filled if is_value(text)]
    if values and (is_value(first[0]) or not (all(map(_PERIOD.fullmatch, values)) or _is_count(values))):
        return False
    columns = [[row[i] for row in body[:50] if i < len(row) and row[i]] for i in range(len(first))]
    if columns and columns[0] and all(text.endswith(":") for text in [first[0], *columns[0]]):
        return False  # each row starts with its own name
    if len(first) == 2 and len(columns[1]) > 2 and 0.25 <= _share(is_value, columns[1]) <= 0.75:
        return False  # names with what they stand for
    return not any(
        _is_name(text) and _share(_is_name, column) > 0.5 for text, column in zip(first, columns, strict=True)
    )


def _is_count(texts: Sequence[str]) -> bool:
    """Whether the texts count up, as days of a month or hours do."""
    numbers = [int(text) if re.fullmatch(r"\d{1,3}", text) else -1 for text in texts]
    return len(numbers) > 2 and all(after == before + 1 for before, after in pairwise(numbers)) and numbers[0] >= 0


def _is_name(text: str) -> bool:
    """Two to four words, each with a capital: the name of a person or a place rather than a heading."""
    words = text.split()
    return 2 <= len(words) <= 4 and all(word[:1].isupper() for word in words)


def _share(test: Callable[[str], bool], texts: Sequence[str]) -> float:
    return sum(map(test, texts)) / len(texts) if texts else 0.0
