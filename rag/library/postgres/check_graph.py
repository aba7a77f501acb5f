"""Checking and repairing the graph's index of a library in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from psycopg import Connection

from rag.library.checking import Damage
from rag.library.graph_index import IndexSums
from rag.library.postgres.database import LIVE, next_generation
from rag.library.postgres.graph_tables import STAMP, Transaction

_BATCH = 1000


def check_graph_index(transaction: Transaction) -> Iterator[Damage]:
    """Entries may be missing, which the next question repairs; what is there must be whole."""
    with transaction() as db:
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
        yield Damage("graph", problem, partial(_empty, transaction))


def _batches(db: Connection[Any], statement: str) -> Iterator[list[Any]]:
    with db.cursor(name="graph") as cursor:  # kept on the server, so that one batch is in memory here
        cursor.execute(statement.encode())
        while rows := cursor.fetchmany(_BATCH):
            yield rows


def _empty(transaction: Transaction) -> None:
    """Begin the index anew; it is filled from the texts."""
    with transaction() as db:
        db.execute("TRUNCATE graph_entries, graph_names, graph_words")
        db.execute("DELETE FROM meta WHERE key = %s", (STAMP,))
        next_generation(db)
