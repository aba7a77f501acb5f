"""Checking the graph's index of a library, wherever it is: names and words must be those of the entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from rag.library.checking import Damage
from rag.library.graph_index import IndexSums

# The rows of a statement in batches, so that one batch is in memory.
Select = Callable[[str], Iterable[list[Any]]]


def check_graph_index(
    reading: Callable[[], AbstractContextManager[Select]], live: str, empty: Callable[[], None]
) -> Iterator[Damage]:
    """Entries may be missing, which the next question repairs; what is there must be whole.

    Args:
        reading: opens one snapshot of the library.
        live: what follows FROM for the live passages, as ``p``.
        empty: begins the index anew; it is filled from the texts.
    """
    with reading() as select:
        entries, tables = IndexSums(), IndexSums()
        of_live = f"SELECT passage, body FROM graph_entries WHERE passage IN (SELECT p.id FROM {live})"
        for rows in select(of_live):
            entries.add_entries(rows)
        for rows in select("SELECT key, passage FROM graph_names"):
            tables.add(rows, ())
        for rows in select("SELECT word, count FROM graph_words"):
            tables.add((), rows)
    problem = entries.compare(tables)
    if problem:
        yield Damage("graph", problem, empty)
