"""Tables as text: CSV and TSV, with whatever divides their columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from rag.ingest.blocks import ParsedDocument
from rag.ingest.loaders.base import build_document, clean
from rag.ingest.loaders.encodings import decode
from rag.ingest.loaders.sheets import build_sheet

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_MAX_FIELD = 2**31 - 1


def read_csv(content: bytes) -> ParsedDocument:
    """Each row with the headings of its columns, and its number as a spreadsheet counts it."""
    text, notes = decode(content)
    text = clean(text)
    rows = _split(text)
    return build_document(build_sheet(rows, lambda row: f"row {row}"), notes=notes)


def _split(text: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, with the number of the row."""
    first, _, rest = text.partition("\n")
    delimiter = first[4:] if first.lower().startswith("sep=") and len(first) == 5 else ""  # Excel's own hint
    if delimiter:
        text = rest
    csv.field_size_limit(_MAX_FIELD)
    delimiter = delimiter or find_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    yield from enumerate(reader, start=1)


def find_delimiter(text: str) -> str:
    """The sign that cuts the first lines into the same number of cells, more than one; the comma where none does."""
    sample = "\n".join(text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES])[:200_000]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
        widths = Counter(len(row) for row in rows if row)
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]), default=(1, 0))
        share = count / max(1, sum(widths.values()))
        score = share * share * (width - 1) ** 0.5 if width > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best
