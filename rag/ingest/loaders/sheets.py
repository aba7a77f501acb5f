"""From the rows of a sheet to blocks: where tables start, what their headings are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice

from rag.ingest.blocks import Block
from rag.ingest.loaders.base import squeeze
from rag.ingest.loaders.tables import count_headings, is_value, join_headings, join_plain

# So many rows are looked at to find the headings of a table; the rest passes through.
_LOOK_AHEAD = 60

Row = tuple[int, list[str]]


def build_sheet(rows: Iterable[tuple[int, Sequence[str]]], locate: Callable[[int], str]) -> Iterator[Block]:
    """The rows of a sheet with their headings.

    Empty rows end a table; the next one has headings of its own, or goes on under those above. Rows of one cell at the
    top of a table are text.

    Args:
        rows: number and cells of each row, in order. Rows may be missing.
        locate: the place of a row, by its number.
    """
    headings: list[str] = []
    for _, region in groupby(_squeeze_rows(rows), _Regions().find):
        head = list(islice(region, _LOOK_AHEAD))
        while len(head) > 1 and _count_texts(head[0]) == 1 and max(map(_count_texts, head)) > 1:
            yield Block(_join_plain(head[0][1]), "paragraph", location=locate(head[0][0]))
            head = head[1:]
        num_headings, headings = _find_headings(head, headings)
        for number, cells in head[:num_headings]:
            yield Block(_join_plain(cells), "row", location=locate(number))
        for number, cells in chain(head[num_headings:], region):
            yield Block(_join_with_headings(cells, headings), "row", location=locate(number))


def _squeeze_rows(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Row]:
    for number, raw in rows:
        cells = [squeeze(cell) for cell in raw]
        if any(cells):
            yield number, cells


class _Regions:
    """Numbers the runs of rows between empty rows."""

    def __init__(self) -> None:
        self._last = self._region = 0

    def find(self, row: Row) -> int:
        """The number of the region that the next row is in."""
        self._region += row[0] != self._last + 1
        self._last = row[0]
        return self._region


def _count_texts(row: Row) -> int:
    return len({cell for cell in row[1] if cell})


def _find_headings(rows: list[Row], above: list[str]) -> tuple[int, list[str]]:
    """How many rows are headings, and the headings of each column. Those above stay unless these rows have better."""
    first = min((i for _, cells in rows for i, cell in enumerate(cells) if cell), default=0)
    width = max((len(cells) for _, cells in rows), default=0)
    padded = [[*cells[first:], *[""] * (width - len(cells))] for _, cells in rows]
    count = count_headings(padded)
    is_text = max(map(_count_texts, rows)) == 1 < sum(map(bool, above))
    fits = bool(above) and width <= len(above) and not is_text
    if count == 0 or (fits and not _is_over_values(padded[count - 1], padded[count:])):
        return 0, above if fits else []
    return count, [""] * first + join_headings(padded[:count])


def _is_over_values(heading: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether some column has a name on top and nothing but values below."""
    return any(
        text and not is_value(text) and all(is_value(row[i]) for row in body if row[i])
        for i, text in enumerate(heading)
    )


def _join_plain(cells: Sequence[str]) -> str:
    return join_plain(list(dict.fromkeys(cell for cell in cells if cell)))


def _join_with_headings(cells: Sequence[str], headings: Sequence[str]) -> str:
    """``Price: 12; Day: Sun``. A row whose cells all say one thing, merged into one, says it once."""
    texts = {cell for cell in cells if cell}
    if not any(headings) or (len(texts) == 1 and sum(map(bool, cells)) > 1):
        return join_plain([cell for cell in cells if cell]) if len(texts) > 1 else "".join(texts)
    parts = []
    for i, cell in enumerate(cells):
        heading = headings[i] if i < len(headings) else ""
        if cell:
            parts.append(f"{heading}: {cell}" if heading else cell)
    return "; ".join(parts)
