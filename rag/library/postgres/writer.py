"""The one writer of a library in PostgreSQL.

Its place is an advisory lock, which the server gives to the next one when the writer's connection ends. The connection
may end without the writer's knowledge (idle time-out, failover, a cut cable), so a lock alone keeps no late writer from
destroying what the next one published. Each writer therefore gets a number, higher than any before, and every
transaction that changes the library checks that the number is still the last.

Source: fencing tokens (Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from typing import Any

from psycopg import Connection

from rag.core.errors import StorageError
from rag.library.postgres.database import PostgresDatabase, count_up

_KEY = "writer"


class Writer:
    """Takes the writer's place, and guards the transactions of the one who has it; threads may share it."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._thread = local()  # the number belongs to one thread: another one may be the next writer

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the one writer, across processes and hosts.

        Raises:
            StorageError: another process held the place for a minute, or the server is out of reach.
        """
        with self._database.connections.lock(self._database.address.schema):
            with self._database.transaction() as db:
                self._thread.number = count_up(db, _KEY)
            try:
                yield
            finally:
                self._thread.number = None

    @contextmanager
    def transaction(self) -> Iterator[Connection[Any]]:
        """One transaction that changes the library; inside :meth:`hold` only while the place is still this one's.

        Raises:
            StorageError: another process has taken the place; nothing is changed.
        """
        with self._database.transaction() as db:
            self._check(db)
            yield db

    def _check(self, db: Connection[Any]) -> None:
        number = getattr(self._thread, "number", None)
        if number is None:
            return
        # Locked until the transaction ends: the next writer counts up after it, or before it.
        row = db.execute("SELECT value::bigint FROM meta WHERE key = %s FOR SHARE", (_KEY,)).fetchone()
        if row is None or row[0] != number:
            place = self._database.address.place
            raise StorageError(
                f"the connection to {place} was cut, and another process has written to it since; nothing was "
                "changed; try again"
            )
