"""One run of text of an RTF file: paragraphs, and the tables between them."""

from __future__ import annotations

from dataclasses import dataclass, field

from rag.ingest.blocks import Block
from rag.ingest.loaders.tables import Cell, build_rows


@dataclass
class Flow:
    """One run of text: the body, a header, a note."""

    blocks: list[Block] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    cell: list[Block] = field(default_factory=list)
    row: list[Cell] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    notes: list[Block] = field(default_factory=list)
    inner_cell: list[Block] = field(default_factory=list)
    inner_row: list[Cell] = field(default_factory=list)
    inner_rows: list[list[Cell]] = field(default_factory=list)
    num_headings: int = 0
    in_table: bool = False
    depth: int = 1
    level: int = 0
    is_item: bool = False
    item_level: int = 1

    def end_paragraph(self) -> None:
        """The parts become a block, of the body or of the open cell."""
        text = "".join(self.parts)
        self.parts = []
        if self.level:
            block = Block(text, "heading", self.level)
        elif self.is_item:
            block = Block(text, "item", self.item_level)
        else:
            block = Block(text)
        if self.in_table:
            (self.inner_cell if self.depth > 1 else self.cell).extend([block, *self.notes])
        elif text.strip() or self.notes:
            self.end_table()
            self.blocks.extend([block, *self.notes])
        self.notes = []

    def end_cell(self, is_inner: bool) -> None:
        """A cell of a table, or of a table inside a cell."""
        self.in_table, self.depth = True, 2 if is_inner else 1
        self.end_paragraph()
        if is_inner:
            self.inner_row.append(Cell(tuple(self.inner_cell)))
            self.inner_cell = []
            return
        if self.inner_rows:
            self.cell.extend(build_rows(self.inner_rows))
            self.inner_rows = []
        self.row.append(Cell(tuple(self.cell)))
        self.cell = []

    def end_row(self, is_inner: bool) -> None:
        """A row of a table, or of a table inside a cell."""
        if is_inner:
            self.inner_rows.append(self.inner_row)
            self.inner_row = []
        elif self.row:
            self.rows.append(self.row)
            self.row = []

    def end_table(self) -> None:
        """The rows that were gathered become blocks."""
        if self.row:
            self.rows.append(self.row)
        if self.rows:
            num_headings = min(self.num_headings, len(self.rows) - 1) or None
            self.blocks.extend(build_rows(self.rows, num_headings))
        self.blocks.extend(self.cell)
        self.rows, self.row, self.cell, self.num_headings = [], [], [], 0
