"""How many questions of one client run at once, counted in PostgreSQL: one count for all processes of a service."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from rag.core.errors import StorageError
from rag.library.postgres.connections import Connections
from rag.service.auth.limits import too_many
from rag.service.postgres import SCHEMA, make_tables

logger = logging.getLogger("rag.service")
# Not logged: after a crash of the server nobody is being answered.
_TABLES = """
CREATE UNLOGGED TABLE IF NOT EXISTS places (
    id uuid PRIMARY KEY, client text NOT NULL, until timestamptz NOT NULL
);
"""
# One after the other for each client, so that two processes cannot both take the last place.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(client)s, 7))"
_EXPIRE = "DELETE FROM places WHERE client = %(client)s AND until < clock_timestamp()"
_TAKE = """
INSERT INTO places (id, client, until)
SELECT %(id)s, %(client)s, clock_timestamp() + %(lease_s)s * interval '1 second'
WHERE (SELECT count(*) FROM places WHERE client = %(client)s) < %(size)s
RETURNING id
"""
_RELEASE = "DELETE FROM places WHERE id = %(id)s"


class SharedPlaces:
    """The places of each client on one database.

    Args:
        connections: of the database.
        per_client: questions at once.
        lease_s: after this time a place is free again, even if its process was killed.

    Raises:
        StorageError: the database is out of reach.
    """

    def __init__(self, connections: Connections, per_client: int, lease_s: float) -> None:
        self._connections = connections
        self._size = per_client
        self._lease_s = lease_s
        make_tables(connections, _TABLES)

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """Hold a place while the block runs.

        Raises:
            Problem: 429, ``client`` has all of its places taken, here or in other processes.
            StorageError: the database is out of reach.
        """
        values = {"id": uuid4(), "client": client, "lease_s": self._lease_s, "size": self._size}
        with self._connections.transaction(SCHEMA) as db:
            for statement in (_LOCK, _EXPIRE):
                db.execute(statement, values)
            is_taken = db.execute(_TAKE, values).fetchone() is not None
        if not is_taken:
            raise too_many("questions at once", 1)
        try:
            yield
        finally:
            self._release(values)

    def _release(self, values: dict[str, object]) -> None:
        try:
            with self._connections.transaction(SCHEMA) as db:
                db.execute(_RELEASE, values)
        except StorageError as error:  # the answer is there already; the place frees itself
            logger.warning("a place was not given back: %s", error)
