"""What a reader makes of a file: its blocks, in reading order, each with its place.

A reader (:mod:`rag.ingest.loaders`) is a function ``read(content) -> ParsedDocument``. It knows its format and
nothing else. The splitter makes passages of the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BlockKind = Literal["heading", "paragraph", "item", "row", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a document that is never mixed with its neighbours.

    Attributes:
        text: the text, without the marks of the format. A row of a table carries its headings: ``Price: 12; Day: Sun``.
        kind: what it is. A row, an item or a heading is cut only where it alone is too long for a passage.
        level: of a heading, 1 is the highest; of an item, 1 is the outermost list; else 0.
        location: where it stands, as a person says it: ``page 3``, ``slide 2``, ``sheet Prices, row 12``, ``line 40``.
            Empty where the format has no places.
    """

    text: str
    kind: BlockKind = "paragraph"
    level: int = 0
    location: str = ""


@dataclass(frozen=True)
class ParsedDocument:
    """A whole file, read.

    Attributes:
        blocks: in reading order.
        title: empty where the file states none.
        date: of the document, as the file states it, ISO 8601 (``2023``, ``2023-05``, ``2023-05-01``); else empty.
        notes: what the person should know, such as ``read as windows-1252, a guess``.
    """

    blocks: tuple[Block, ...]
    title: str = ""
    date: str = ""
    notes: tuple[str, ...] = ()
