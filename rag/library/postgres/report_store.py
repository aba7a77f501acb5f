"""Reports in a table of the library's schema."""

from __future__ import annotations

from rag.library.postgres.database import PostgresDatabase
from rag.library.report_store import ReportStore

_TABLES = "CREATE TABLE IF NOT EXISTS reports (name text PRIMARY KEY, body bytea NOT NULL);"
_WRITE = "INSERT INTO reports VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET body = EXCLUDED.body"


class PostgresReportStore(ReportStore):
    """The reports of one library; all processes share them."""

    def __init__(self, database: PostgresDatabase) -> None:
        """Make the table where it is missing.

        Raises:
            StorageError: the server is out of reach, or lets this user make no table.
        """
        self._database = database
        database.make_tables("reports", _TABLES)

    def read(self, name: str) -> bytes | None:
        """See :meth:`rag.library.report_store.ReportStore.read`."""
        with self._database.transaction() as db:
            row = db.execute("SELECT body FROM reports WHERE name = %s", (name,)).fetchone()
        return bytes(row[0]) if row else None

    def write(self, name: str, body: bytes) -> None:
        """See :meth:`rag.library.report_store.ReportStore.write`."""
        with self._database.transaction() as db:
            db.execute(_WRITE, (name, body))
