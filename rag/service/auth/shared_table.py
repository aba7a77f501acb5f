"""The tables that the processes of a service share in PostgreSQL, for limits that hold over all of them."""

from __future__ import annotations

from psycopg import sql

from rag.library.postgres.connections import MAKING, Connections

# No library's: their schemas have a dot, as in concord_TENANT.LIBRARY.
SCHEMA = "concord_service"


def make_table(connections: Connections, name: str, columns: str) -> None:
    """Make a table of :data:`SCHEMA` if it is not there.

    It is not logged: after a crash of the server everybody begins anew.

    Raises:
        StorageError: the database is out of reach.
    """
    with connections.connection() as db:
        db.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
        db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        table = sql.Identifier(SCHEMA, name)
        db.execute(sql.SQL("CREATE UNLOGGED TABLE IF NOT EXISTS {} ({})").format(table, sql.SQL(columns)))
