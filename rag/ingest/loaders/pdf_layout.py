"""From the lines of PDF pages to paragraphs, headings, list items and rows of tables. Lengths are in points."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from rag.ingest.blocks import Block
from rag.ingest.loaders.pdf_page import Line, Page, Word
from rag.ingest.loaders.pdf_tables import PdfTable, find_ruled_tables, find_spaced_tables

_MARK = re.compile(r"^([•▪◦‣\u2043●○■□\u2013—*\uf0b7\uf0a7-])\s+|^(\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])\s+")
_PAGE_NUMBER = re.compile(r"\W*((page|seite|p\.) ?)?#\W*((of|von|/) ?#)?")
_END_OF_SENTENCE = re.compile(r"[.!?:;。\uff01\uff1f…]['\"”\u2019)\]]*$")


def lay_out(pages: Sequence[Page]) -> list[Block]:
    """The blocks of all pages. Headers and footers that pages repeat are kept once, page numbers never."""
    pages = _drop_repeated(pages)
    sizes = Counter(round(line.size, 1) for page in pages for line in page.lines for _ in line.words)
    body_size = sizes.most_common(1)[0][0] if sizes else 0.0
    large = sorted({size for size in sizes if size >= 1.15 * body_size}, reverse=True)
    levels = {size: min(level, 4) for level, size in enumerate(large, start=1)}
    blocks: list[Block] = []
    above: PdfTable | None = None
    for page in pages:
        parts = _arrange(page, above)
        above = _find_last_table(page, parts)
        _extend(blocks, _build_page(parts, levels, f"page {page.number}"))
    return blocks


def _extend(blocks: list[Block], page: Iterator[Block]) -> None:
    """Add the blocks of a page; a sentence that goes on from the page before is put together."""
    for number, block in enumerate(page):
        last = blocks[-1] if blocks else None
        goes_on = number == 0 and last and last.kind == block.kind == "paragraph" and block.text[:1].islower()
        if goes_on and last and not _END_OF_SENTENCE.search(last.text):
            blocks[-1] = replace(last, text=_join_lines([last.text, block.text]))
        else:
            blocks.append(block)


def _drop_repeated(pages: Sequence[Page]) -> list[Page]:
    """Pages without the lines that most of them repeat at the top or bottom, except on the first that has them."""
    groups: dict[str, list[tuple[int, Line]]] = {}
    for page in pages:
        for line in _find_edges(page):
            groups.setdefault(_key(line), []).append((page.number, line))
    dropped: set[int] = set()
    for key, group in groups.items():
        is_number = _PAGE_NUMBER.fullmatch(key) is not None
        if len(group) >= (2 if is_number else max(3, len(pages) // 3)) and _is_counting(group):
            dropped.update(id(line) for _, line in group[0 if is_number else 1 :])
    return [replace(page, lines=tuple(line for line in page.lines if id(line) not in dropped)) for page in pages]


def _find_edges(page: Page) -> list[Line]:
    """The lines in the upper and lower tenth of the page."""
    margin = page.height / 10
    return [line for line in page.lines if line.bottom > page.height - margin or line.top < margin]


def _key(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text.strip().lower())


def _is_counting(group: Sequence[tuple[int, Line]]) -> bool:
    """Whether each number in these lines is the same on all pages, or counts the pages. Rows of tables do neither."""
    numbers = [[int(each) for each in re.findall(r"\d{1,15}", line.text)] for _, line in group]
    pages = [page for page, _ in group]
    return all(
        len(set(column)) == 1 or len({number - page for number, page in zip(column, pages, strict=True)}) == 1
        for column in zip(*numbers, strict=False)
    )


def _arrange(page: Page, above: PdfTable | None) -> list[list[Line] | PdfTable]:
    """What is on a page, in order: runs of lines, and tables where their first line stands.

    Args:
        page: to be read.
        above: the table that ends the page before; it may go on.
    """
    tables = find_ruled_tables(page.lines, page.rules)
    taken = {id(word) for table in tables for word in table.words}
    lines = [rest for line in page.lines if (rest := _without(line, taken)) is not None]
    pieces = _order([piece for line in lines for piece in _split(line)])
    tables += find_spaced_tables(pieces, above)
    owners = {id(word): number for number, table in enumerate(tables) for word in table.words}
    parts: list[list[Line] | PdfTable] = []
    done: set[int] = set()
    for line in _with_tables(page, pieces, taken):
        owner = owners.get(id(line.words[0]))
        if owner is None:
            if not parts or isinstance(parts[-1], PdfTable):
                parts.append([])
            parts[-1].append(line)  # type: ignore[union-attr]
        elif owner not in done:
            done.add(owner)
            parts.append(tables[owner] if parts or above is None else tables[owner].follow(above))
    return parts


def _find_last_table(page: Page, parts: Sequence[list[Line] | PdfTable]) -> PdfTable | None:
    """The table at the end of a page, above its footer."""
    for part in reversed(parts):
        if isinstance(part, PdfTable):
            return part
        if any(line.bottom > page.height / 10 for line in part):
            return None
    return None


def _build_page(parts: Sequence[list[Line] | PdfTable], levels: dict[float, int], place: str) -> Iterator[Block]:
    for part in parts:
        yield from part.build(place) if isinstance(part, PdfTable) else _merge(part, levels, place)


def _with_tables(page: Page, pieces: Sequence[Line], taken: set[int]) -> Iterator[Line]:
    """The pieces in their order, with the lines of ruled tables put in where the page has them."""
    if not taken:
        yield from pieces
        return
    marks: dict[int, list[Line]] = {}  # by the first word of the piece that follows
    pending: list[Line] = []
    for line in page.lines:
        inside = [word for word in line.words if id(word) in taken]
        outside = [word for word in line.words if id(word) not in taken]
        if inside:
            pending.append(Line(tuple(inside)))
        if outside and pending:
            marks[id(outside[0])] = pending
            pending = []
    for piece in pieces:
        for word in piece.words:
            yield from marks.pop(id(word), [])
        yield piece
    for lines in marks.values():
        yield from lines
    yield from pending


def _without(line: Line, taken: set[int]) -> Line | None:
    words = tuple(word for word in line.words if id(word) not in taken)
    return Line(words) if words else None


def _split(line: Line) -> Iterator[Line]:
    """The pieces of a line between wide gaps, such as columns."""
    words: list[Word] = []
    for word in line.words:
        if words and not -3 * word.size < word.left - words[-1].right < 1.3 * max(word.size, 4.0) and not _is_rtl(word):
            yield Line(tuple(words))
            words = []
        words.append(word)
    yield Line(tuple(words))


def _is_rtl(word: Word) -> bool:
    return any("\u0590" <= char <= "\u08ff" for char in word.text)


def _order(pieces: list[Line]) -> list[Line]:
    """The pieces in the order of reading. Files keep it, except those that write two columns line by line."""
    pairs = [
        (left, right)
        for left, right in pairwise(pieces)
        if abs(left.bottom - right.bottom) < 0.5 * left.size and right.left > left.right
    ]
    prose = [pair for pair in pairs if min(len(each.text) for each in pair) > 20]
    if len(prose) < 4 or len(prose) < 0.7 * len(pairs):
        return pieces
    gutter = median((left.right + right.left) / 2 for left, right in prose)
    gutter = median([min(right.left for _, right in prose), max(left.right for left, _ in prose), gutter])
    ordered: list[Line] = []
    columns: tuple[list[Line], list[Line]] = ([], [])
    for piece in pieces:
        if piece.left < gutter - 5 and piece.right > gutter + 5:  # over both columns
            ordered += [*columns[0], *columns[1], piece]
            columns = ([], [])
        else:
            columns[piece.left >= gutter - 5].append(piece)
    return [*ordered, *columns[0], *columns[1]]


def _merge(lines: Sequence[Line], levels: dict[float, int], place: str) -> Iterator[Block]:
    """Lines to headings, list items and paragraphs."""
    group: list[Line] = []
    for line in lines:
        if group and _starts_block(group, line):
            yield _build(group, levels, place)
            group = []
        group.append(line)
    if group:
        yield _build(group, levels, place)


def _starts_block(group: Sequence[Line], line: Line) -> bool:
    last = group[-1]
    size = last.size
    if abs(line.size - size) > 0.12 * size:
        return len(line.text) > 3 or len(group) > 1
    same_row = abs(line.bottom - last.bottom) < 0.5 * size
    down = last.bottom - line.bottom
    if same_row:
        return False
    if down < -2 * size:  # the next column: a sentence may go on
        return bool(_END_OF_SENTENCE.search(last.text)) or _MARK.match(line.text) is not None
    steps = [step for above, below in pairwise(group) if 0 < (step := above.bottom - below.bottom) < 3 * size]
    usual = median(steps) if steps else 1.6 * size
    if down > max(1.25 * usual, usual + 0.3 * size) or down < 0 or _MARK.match(line.text):
        return True
    is_short = last.right < max(each.right for each in group) - 0.2 * (last.right - last.left)
    return bool(_END_OF_SENTENCE.search(last.text)) and (is_short or line.left > group[-1].left + 0.8 * size)


def _build(group: Sequence[Line], levels: dict[float, int], place: str) -> Block:
    text = _join_lines([line.text for line in group])
    level = levels.get(round(group[0].size, 1), 0)
    if level and len(text) <= 200:
        return Block(text, "heading", level, place)
    if match := _MARK.match(text):
        return Block(text if match[2] else text[match.end() :], "item", 1, place)
    return Block(text, location=place)


def _join_lines(lines: Sequence[str]) -> str:
    """One text. A divided word is put together, a name with a hyphen keeps it; Chinese and Japanese need no blank."""
    text = ""
    for line in lines:
        if not text:
            text = line
        elif re.search(r"[^\W\d][-\u00ad]$", text):
            text = text[:-1] + ("" if line[:1].islower() else "-") + line
        elif _is_wide(text[-1]) and _is_wide(line[:1]):
            text += line
        else:
            text += " " + line
    return text.replace("\u00ad", "")


def _is_wide(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"
