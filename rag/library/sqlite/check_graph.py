"""How the check of the graph's index (:mod:`rag.library.check_graph`) reads and empties it in a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rag.library import check_graph
from rag.library.check_graph import Select
from rag.library.checking import Damage
from rag.library.sqlite.database import Database, next_generation
from rag.library.sqlite.graph_tables import STAMP
from rag.library.sqlite.layout import LIVE

_BATCH = 1000


def check_graph_index(database: Database) -> Iterator[Damage]:
    """See :func:`rag.library.check_graph.check_graph_index`."""
    return check_graph.check_graph_index(partial(_reading, database), LIVE, partial(_empty, database))


@contextmanager
def _reading(database: Database) -> Iterator[Select]:
    """One snapshot."""
    with database.reading() as db:
        yield partial(_batches, db)


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
