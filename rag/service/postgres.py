"""The tables of the service itself in PostgreSQL: jobs and rates, of all processes on one database."""

from __future__ import annotations

from psycopg import sql

from rag.library.postgres.connections import MAKING, Connections

SCHEMA = "concord_service"  # no library's: their schemas have a dot, as in concord_TENANT.LIBRARY


def make_tables(connections: Connections, statements: str) -> None:
    """Make tables in :data:`SCHEMA`; ``statements`` leave alone what is there.

    Raises:
        StorageError: the database is out of reach, or lets this user make no table.
    """
    with connections.connection() as db:
        db.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
        db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        connections.enter(db, SCHEMA)
        db.execute(statements.encode())
