"""Requests per minute of each client, counted in PostgreSQL: one count for all processes of a service."""

from __future__ import annotations

import math

from rag.library.postgres.connections import Connections
from rag.service.auth.limits import too_many
from rag.service.postgres import SCHEMA, make_tables

# Not logged: after a crash of the server everybody begins with a full bucket.
_TABLES = """
CREATE UNLOGGED TABLE IF NOT EXISTS rates (
    client text PRIMARY KEY, level double precision NOT NULL, since timestamptz NOT NULL
);
"""
_LEVEL = "LEAST(%(size)s, level + EXTRACT(EPOCH FROM clock_timestamp() - since) * %(rate)s)"
# One statement, so that two processes cannot both take the last request: the second waits for the row.
_TAKE = f"""
INSERT INTO rates AS old (client, level, since) VALUES (%(client)s, %(size)s - 1, clock_timestamp())
ON CONFLICT (client) DO UPDATE SET level = {_LEVEL.replace("level", "old.level").replace("since", "old.since")} - 1,
    since = clock_timestamp()
    WHERE {_LEVEL.replace("level", "old.level").replace("since", "old.since")} >= 1
RETURNING level
"""
_LOOK = f"SELECT {_LEVEL} FROM rates WHERE client = %(client)s"


class SharedRate:
    """A token bucket per client, as :class:`rag.service.auth.limits.RateLimit`, for all processes on one database.

    Raises:
        StorageError: the database is out of reach.
    """

    is_remote = True

    def __init__(self, connections: Connections, per_minute: int) -> None:
        self._connections = connections
        self._size = per_minute
        make_tables(connections, _TABLES)

    def check(self, client: str) -> None:
        """Count one request.

        Raises:
            Problem: 429, with the seconds to wait.
            StorageError: the database is out of reach.
        """
        rate = self._size / 60
        values = {"client": client, "size": float(self._size), "rate": rate}
        with self._connections.transaction(SCHEMA) as db:
            if db.execute(_TAKE, values).fetchone() is not None:
                return
            row = db.execute(_LOOK, values).fetchone()
        level = float(row[0]) if row else 0.0
        raise too_many("requests in a minute", max(1, math.ceil((1 - level) / rate)))
