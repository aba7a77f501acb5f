"""How the check of the graph's index (:mod:`rag.library.check_graph`) reads and empties it in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from psycopg import Connection

from rag.library import check_graph
from rag.library.check_graph import Select
from rag.library.checking import Damage
from rag.library.postgres.database import LIVE, next_generation
from rag.library.postgres.graph_tables import STAMP, Transaction

_BATCH = 1000


def check_graph_index(transaction: Transaction) -> Iterator[Damage]:
    """See :func:`rag.library.check_graph.check_graph_index`."""
    return check_graph.check_graph_index(partial(_reading, transaction), LIVE, partial(_empty, transaction))


@contextmanager
def _reading(transaction: Transaction) -> Iterator[Select]:
    """One snapshot."""
    with transaction() as db:
        yield partial(_batches, db)


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
