"""One job in PostgreSQL while this process works on it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from rag.core.errors import SourceError, StorageError, UnavailableError
from rag.library.postgres.connections import Connections
from rag.service.jobs.attempts import Attempts
from rag.service.jobs.store import HeldJob
from rag.service.postgres import SCHEMA
from rag.service.schemas import Job

logger = logging.getLogger("rag.service")


class _LostJobError(UnavailableError):
    """Another process works on the job now."""


class PostgresJob(HeldJob):
    """A row of the table ``jobs``, for as long as this process renews its lease.

    Args:
        connections: to the database.
        row: number, token, record, about and attempts.
        lease_s: a process that is silent for so long has lost the job.
        on_release: told of kind and tenant when the job is let go.
    """

    def __init__(
        self,
        connections: Connections,
        row: Sequence[Any],
        lease_s: float,
        on_release: Callable[[str, str], None],
    ) -> None:
        self._connections, self._lease_s, self._on_release = connections, lease_s, on_release
        self._number, self._token = row[0], row[1]
        self.job = Job.model_validate_json(row[2])
        self.about = row[3]
        self.attempts = Attempts(row[4], self._save_attempts)
        self._is_released = Event()
        Thread(target=self._renew, name=f"lease-{self.job.id}", daemon=True).start()

    def write(self, job: Job) -> None:
        """See :meth:`HeldJob.write`."""
        self._change("status = %s, record = %s", job.status, job.model_dump_json())

    def is_cancelled(self) -> bool:
        """See :meth:`HeldJob.is_cancelled`."""
        with self._explained(), self._connections.transaction(SCHEMA) as db:
            row = db.execute("SELECT is_cancelled FROM jobs WHERE number = %s", (self._number,)).fetchone()
        return bool(row and row[0])

    def read_upload(self, number: int) -> bytes:
        """See :meth:`HeldJob.read_upload`."""
        statement = b"SELECT content FROM uploads WHERE job = %s AND number = %s"
        with self._explained(), self._connections.transaction(SCHEMA) as db:
            row = db.cursor(binary=True).execute(statement, (self._number, number)).fetchone()
        if row is None:
            raise SourceError("cannot be read: its content is gone")
        return bytes(row[0])

    def end(self, job: Job) -> None:
        """See :meth:`HeldJob.end`."""
        self.write(job)
        with self._explained(), self._connections.transaction(SCHEMA) as db:
            db.execute("DELETE FROM uploads WHERE job = %s", (self._number,))

    def release(self, after_s: float = 0.0) -> None:
        """See :meth:`HeldJob.release`."""
        self._is_released.set()
        try:
            self._change("is_leased = false, free_at = clock_timestamp() + make_interval(secs => %s)", after_s)
        finally:
            self._on_release(self.job.kind, self.about["tenant"])

    def _save_attempts(self, fields: Mapping[str, Any]) -> None:
        self._change("attempts = %s", json.dumps(fields))

    def _change(self, assignments: str, *values: Any) -> None:
        statement = f"UPDATE jobs SET {assignments} WHERE number = %s AND token = %s"
        with self._explained(), self._connections.transaction(SCHEMA) as db:
            num_changed = db.execute(statement.encode(), (*values, self._number, self._token)).rowcount
        if num_changed == 0:
            raise _LostJobError("another process has taken this job over")

    def _renew(self) -> None:
        """Keep the job while this process lives; an outage shorter than the lease costs nothing."""
        while not self._is_released.wait(self._lease_s / 4):
            try:
                self._change("free_at = clock_timestamp() + make_interval(secs => %s)", self._lease_s)
            except _LostJobError:
                return  # whoever works on it here learns of it at the next change
            except UnavailableError as error:
                logger.warning("job %s: %s", self.job.id, error)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A database that is out of reach for a moment is no fault of the job: it is laid aside."""
        try:
            yield
        except StorageError as error:
            raise UnavailableError(str(error)) from error
