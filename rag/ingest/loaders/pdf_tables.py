"""Tables on PDF pages: those with ruled lines, and those whose columns are kept apart by blanks alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from statistics import median

from rag.ingest.blocks import Block
from rag.ingest.loaders.pdf_page import Line, Rule, Word
from rag.ingest.loaders.tables import Cell, build_rows, count_headings

# Lines closer than this are one line.
_NEAR = 3.0
_MIN_ROWS = 3


@dataclass(frozen=True)
class PdfTable:
    """A table, and the words that it is made of."""

    rows: tuple[tuple[Cell, ...], ...]
    words: tuple[Word, ...]
    num_above: int = 0

    def build(self, place: str) -> Iterator[Block]:
        """Its rows with their headings; those of the page before are not said again."""
        blocks = build_rows(self.rows, self.num_above or None, lambda row: place)
        return islice(blocks, self.num_above, None)

    def follow(self, above: PdfTable) -> PdfTable:
        """This table with the headings of the one that it continues, unless it has its own."""
        num_headings = above.num_above or count_headings(above.texts)
        is_same = max(map(len, self.rows)) == max(map(len, above.rows))
        if not num_headings or not is_same or count_headings(self.texts) or self.texts[0] == above.texts[0]:
            return self
        return PdfTable((*above.rows[:num_headings], *self.rows), self.words, num_headings)

    @cached_property
    def texts(self) -> list[list[str]]:
        """The texts of its cells."""
        return [[cell.text for cell in row for _ in range(cell.num_columns)] for row in self.rows]


@dataclass(frozen=True)
class _Grid:
    """The lines of one table: where its columns and rows begin and end, and the rules themselves."""

    columns: list[float]
    rows: list[float]  # from the top
    rules: list[Rule]


def find_ruled_tables(lines: Sequence[Line], rules: Sequence[Rule]) -> list[PdfTable]:
    """Tables whose cells have lines around them; at least two columns and two rows."""
    tables = []
    for grid in _find_grids(rules):
        words = [word for line in lines for word in line.words if is_inside(word, grid.columns, grid.rows)]
        if words and (table := _fill(grid, words)) is not None:
            tables.append(table)
    return tables


def is_inside(word: Word, columns: Sequence[float], rows: Sequence[float]) -> bool:
    """Whether the middle of a word lies between the outer lines."""
    x, y = (word.left + word.right) / 2, (word.bottom + word.top) / 2
    return columns[0] <= x <= columns[-1] and rows[-1] <= y <= rows[0]


def _find_grids(rules: Sequence[Rule]) -> Iterator[_Grid]:
    """Rules that cross or touch belong together."""
    upright = [rule for rule in rules if rule.is_upright]
    level = [rule for rule in rules if not rule.is_upright]
    parents = list(range(len(upright) + len(level)))

    def find(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for i, standing in enumerate(upright):
        for j, lying in enumerate(level, start=len(upright)):
            crosses_x = lying.start - _NEAR <= standing.position <= lying.end + _NEAR
            if crosses_x and standing.start - _NEAR <= lying.position <= standing.end + _NEAR:
                parents[find(i)] = find(j)
    groups: dict[int, list[Rule]] = {}
    for index, rule in enumerate([*upright, *level]):
        groups.setdefault(find(index), []).append(rule)
    for group in groups.values():
        columns = _unite(rule.position for rule in group if rule.is_upright)
        rows = _unite(rule.position for rule in group if not rule.is_upright)[::-1]
        if len(columns) >= 3 and len(rows) >= 3:
            yield _Grid(columns, rows, group)


def _unite(positions: Iterator[float]) -> list[float]:
    """Positions in their order; those that are near each other count as one."""
    united: list[float] = []
    for position in sorted(positions):
        if not united or position - united[-1] > _NEAR:
            united.append(position)
    return united


def _fill(grid: _Grid, words: Sequence[Word]) -> PdfTable | None:
    """The cells with their words. Places without a line between them are one cell."""
    places: dict[tuple[int, int], list[Word]] = {}
    for word in words:
        x, y = (word.left + word.right) / 2, (word.bottom + word.top) / 2
        column = max(i for i, position in enumerate(grid.columns[:-1]) if position <= x)
        row = max(i for i, position in enumerate(grid.rows[:-1]) if position >= y)
        places.setdefault((row, column), []).append(word)
    rows: list[tuple[Cell, ...]] = []
    covered: set[tuple[int, int]] = set()
    for row in range(len(grid.rows) - 1):
        cells = []
        for column in range(len(grid.columns) - 1):
            if (row, column) in covered:
                continue
            width, height = _measure(grid, row, column)
            area = [(r, c) for r in range(row, row + height) for c in range(column, column + width)]
            area = [place for place in area if place not in covered]
            covered.update(area)
            text = _join([word for place in area for word in places.get(place, [])])
            cells.append(Cell((Block(text),), width, height))
        rows.append(tuple(cells))
    filled = [row for row in rows if any(cell.text for cell in row)]
    if len(filled) < 2 or max(len(row) for row in filled) < 2:
        return None
    return PdfTable(tuple(filled) if all(c.num_rows == 1 for r in rows for c in r) else tuple(rows), tuple(words))


def _measure(grid: _Grid, row: int, column: int) -> tuple[int, int]:
    """How many columns and rows a cell spans."""
    width = height = 1
    y = (grid.rows[row] + grid.rows[row + 1]) / 2
    x = (grid.columns[column] + grid.columns[column + 1]) / 2
    while column + width < len(grid.columns) - 1 and not _is_ruled(grid, True, grid.columns[column + width], y):
        width += 1
    while row + height < len(grid.rows) - 1 and not _is_ruled(grid, False, grid.rows[row + height], x):
        height += 1
    return width, height


def _is_ruled(grid: _Grid, is_upright: bool, position: float, along: float) -> bool:
    return any(
        rule.is_upright == is_upright
        and abs(rule.position - position) <= _NEAR
        and rule.start - 1 <= along <= rule.end + 1
        for rule in grid.rules
    )


def _join(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def find_spaced_tables(pieces: Sequence[Line], above: PdfTable | None = None) -> list[PdfTable]:
    """Runs of lines that are cut into the same columns by wide gaps, where the columns are no running text.

    The first lines may be few where they go on with the table ``above``, that of the page before.
    """
    rows = _group_rows(pieces)
    tables = []
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and _continues(rows[start:end], rows[end]):
            end += 1
        goes_on = start == 0 and above is not None and len(rows[0]) == max(map(len, above.rows))
        table = _build_spaced(rows[start:end], 1 if goes_on else _MIN_ROWS)
        if table is not None:
            tables.append(table)
            start = end
        else:
            start += 1
    return tables


def _group_rows(pieces: Sequence[Line]) -> list[list[Line]]:
    """Pieces that stand beside each other and come one after the other."""
    rows: list[list[Line]] = []
    for piece in pieces:
        last = rows[-1][-1] if rows else None
        if last is not None and abs(last.bottom - piece.bottom) < 0.5 * piece.size and piece.left > last.right:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rows


def _continues(rows: Sequence[Sequence[Line]], row: Sequence[Line]) -> bool:
    """Whether a row can belong to the table above it."""
    if not rows:
        return len(row) >= 2
    step = rows[-1][0].bottom - row[0].bottom
    if not 0 < step < 3.5 * row[0].size:
        return False
    if len(row) >= 2:
        return abs(len(row) - max(len(each) for each in rows)) <= max(1, len(row) // 2)
    # the second line of a cell, not of the first column
    return row[0].left > rows[0][0].left + 2 * row[0].size and step < 1.5 * row[0].size


def _build_spaced(rows: Sequence[Sequence[Line]], min_rows: int) -> PdfTable | None:
    """The table, unless its rows are few, its columns overlap or hold running text."""
    full = [row for row in rows if len(row) >= 2]
    columns = _find_columns([piece for row in full for piece in row])
    if len(full) < min_rows or len(columns) < 2:
        return None
    texts = [piece.text for row in full for piece in row]
    if len(columns) <= 3 and median(len(text) for text in texts) > 30:
        return None
    table: list[list[list[str]]] = []
    for row in rows:
        cells: list[list[str]] = [[] for _ in columns]
        for piece in row:
            middle = (piece.left + piece.right) / 2
            cells[max((i for i, (left, _) in enumerate(columns) if left <= middle), default=0)].append(piece.text)
        if len(row) == 1 and table:
            for above, below in zip(table[-1], cells, strict=True):
                above += below
        else:
            table.append(cells)
    built = tuple(tuple(Cell((Block(" ".join(parts)),)) for parts in cells) for cells in table)
    return PdfTable(built, tuple(word for row in rows for piece in row for word in piece.words))


def _find_columns(pieces: Sequence[Line]) -> list[tuple[float, float]]:
    """The stretches of the page that pieces cover, from the left."""
    columns: list[tuple[float, float]] = []
    for left, right in sorted((piece.left, piece.right) for piece in pieces):
        if columns and left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(right, columns[-1][1]))
        else:
            columns.append((left, right))
    return columns
