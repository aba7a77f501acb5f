"""Checking and repairing the graph's index of a library in a folder: names and words must be those of the entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from typing import Any

from rag.library.checking import Damage
from rag.library.graph_index import IndexSums
from rag.library.sqlite.database import Database, next_generation
from rag.library.sqlite.graph_tables import STAMP
from rag.library.sqlite.layout import LIVE

_BATCH = 1000


def check_graph_index(database: Database) -> Iterator[Damage]:
    """Entries may be missing, which the next question repairs; what is there must be whole."""
    with database.reading() as db:
        entries, tables = IndexSums(), IndexSums()
        live = f"SELECT p.id FROM {LIVE}"
        for rows in _batches(db, f"SELECT passage, body FROM graph_entries WHERE passage IN ({live})"):
            entries.add_entries(rows)
        for rows in _batches(db, "SELECT key, passage FROM graph_names"):
            tables.add(rows, ())
        for rows in _batches(db, "SELECT word, count FROM graph_words"):
            tables.add((), rows)
    problem = entries.compare(tables)
    if problem:
        yield Damage("graph", problem, partial(_empty, database))


def _batches(db: sqlite3.Connection, statement: str) -> Iterator[list[Any]]:
    cursor = db.execute(statement)
    while rows := cursor.fetchmany(_BATCH):
        yield rows


def _empty(database: Database) -> None:
    """Begin the index anew; it is filled from the texts."""
    with database.writing() as db:
        for table in ("graph_entries", "graph_names", "graph_words"):
            db.execute(f"DELETE FROM {table}")
        db.execute("DELETE FROM meta WHERE key = ?", (STAMP,))
        next_generation(db)
