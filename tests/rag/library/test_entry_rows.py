"""Many entries read at once are those that were written one by one."""

from __future__ import annotations

import numpy as np

from rag.library.entry_rows import EntryRows
from rag.library.graph_index import KEY_BITS, WORD_BITS, GraphEntry

NAMES = [(), (7,), (3, 2**KEY_BITS - 1, 12)]
WORDS = [(), (2**WORD_BITS - 1, 4, 9), (1,)]
ENTRIES = [GraphEntry.of(mentions, titles, words) for mentions in NAMES for titles in NAMES for words in WORDS]


def check(rows: EntryRows, entries: list[GraphEntry]) -> None:
    for kind in ("mentions", "titles", "words"):
        assert len(getattr(rows, kind).ends) == len(entries) + 1
        for row, entry in enumerate(entries):
            assert getattr(rows, kind)[row].tolist() == getattr(entry, kind).tolist(), (kind, row)
            assert getattr(rows, kind).values.dtype == np.int64


def test_every_row_is_as_it_was_written() -> None:
    check(EntryRows.read([entry.to_bytes() for entry in ENTRIES]), ENTRIES)
    check(EntryRows.read([]), [])


def test_rows_of_two_reads_follow_each_other() -> None:
    first, second = ENTRIES[:11], ENTRIES[11:]
    check(EntryRows.read([e.to_bytes() for e in first]) + EntryRows.read([e.to_bytes() for e in second]), ENTRIES)
    check(EntryRows.read([]) + EntryRows.read([e.to_bytes() for e in first]), first)


def test_a_damaged_entry_is_empty_and_its_neighbours_are_whole() -> None:
    whole, empty = GraphEntry.of((1, 2), (3,), (4, 5)), GraphEntry.of((), (), ())
    body = whole.to_bytes()
    damaged = [b"", body[:7], body[:20], body[:-1], b"\xff" * 24]
    bodies = [each for broken in damaged for each in (body, broken)]
    check(EntryRows.read(bodies), [whole, empty] * len(damaged))
