"""Jobs in PostgreSQL: any number of processes on any host share one queue.

A process works on a job for as long as it renews its lease. The job of a process that was killed, or that lost its
connection, is free again when the lease runs out. Each taking counts the job's token up, and every change asks for the
token: a process that comes back too late changes nothing.

The next job is that of the tenant with the fewest jobs under way; among equals, of the one whose last turn was longest
ago. A library adds one upload at a time. All times are the server's.

Source: leases with fencing tokens (Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Condition
from typing import Any

from psycopg import Connection

from rag.core.errors import StorageError
from rag.library.postgres.connections import Connections
from rag.service.jobs.postgres_job import PostgresJob
from rag.service.jobs.roster import Builder, Roster, describe_wait
from rag.service.jobs.store import MAX_JOBS, HeldJob, JobQueue, queue_full
from rag.service.postgres import SCHEMA, make_tables
from rag.service.schemas import Job

logger = logging.getLogger("rag.service")
LEASE_S = 30.0
_POLL_S = 1.0
_OUTAGE_S = 5.0
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    tenant text NOT NULL,
    library text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    record text NOT NULL,
    about json NOT NULL,
    attempts json NOT NULL DEFAULT '{}',
    is_cancelled boolean NOT NULL DEFAULT false,
    token bigint NOT NULL DEFAULT 0,
    started_at timestamptz,
    free_at timestamptz NOT NULL DEFAULT '-infinity',
    is_leased boolean NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS jobs_by_tenant ON jobs (tenant, number);
CREATE INDEX IF NOT EXISTS open_jobs ON jobs (kind) WHERE status IN ('queued', 'running');
CREATE TABLE IF NOT EXISTS uploads (
    job bigint NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    number integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (job, number)
);
"""
_IS_OPEN = "status IN ('queued', 'running')"
_IS_FREE = "free_at < clock_timestamp()"
_IS_LEASED = "is_leased AND free_at >= clock_timestamp()"
_NEXT = f"""
SELECT number FROM jobs j
WHERE kind = %(kind)s AND {_IS_OPEN} AND {_IS_FREE} AND tenant <> ALL (%(busy)s)
    AND (%(wanted)s::json IS NULL OR about->>'model' = %(wanted)s::json->>'model'
        AND about->>'base' IN ('', %(wanted)s::json->>'base'))
    AND (kind = 'patches' OR NOT EXISTS (
        SELECT 1 FROM jobs o WHERE o.kind = j.kind AND o.tenant = j.tenant AND o.library = j.library AND {_IS_LEASED}))
ORDER BY
    (SELECT count(*) FROM jobs o WHERE o.kind = j.kind AND o.tenant = j.tenant AND {_IS_LEASED}),
    (SELECT max(started_at) FROM jobs o WHERE o.kind = j.kind AND o.tenant = j.tenant) NULLS FIRST,
    number
LIMIT 1
"""
_LEASE = """
UPDATE jobs SET token = token + 1, is_leased = true, started_at = clock_timestamp(),
    free_at = clock_timestamp() + make_interval(secs => %s)
WHERE number = %s RETURNING number, token, record, about, attempts
"""


class PostgresQueue(JobQueue):
    """The jobs of all services on one database.

    Args:
        connections: to the database.
        num_workers: by kind, how many jobs this process works on at once; where it works on several, no tenant has
            all of its workers.
        max_waiting: jobs of each kind that may wait, of all processes.
        wanted: of jobs that name a model, take those for this one: ``model``, and ``base``, its fingerprint.
        lease_s: a process that is silent for so long has lost its job.

    Raises:
        StorageError: the database is out of reach.
    """

    is_building_elsewhere = True

    def __init__(
        self,
        connections: Connections,
        num_workers: Mapping[str, int],
        max_waiting: int,
        *,
        wanted: Mapping[str, str] | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        self._connections = connections
        self._shares = {kind: max(1, number - 1) for kind, number in num_workers.items()}
        self._max_waiting = max_waiting
        self._wanted = None if wanted is None else json.dumps(dict(wanted))
        self._lease_s = lease_s
        self._running: dict[str, Counter[str]] = {kind: Counter() for kind in num_workers}
        self._changed = Condition()
        self._is_closed = False
        make_tables(connections, _TABLES)
        self._roster = Roster(connections)

    def check_room(self, kind: str) -> None:
        """See :meth:`JobQueue.check_room`."""
        with self._connections.transaction(SCHEMA) as db:
            self._check_room(db, kind)

    def add(self, job: Job, about: dict[str, Any], contents: Sequence[bytes] = ()) -> None:
        """See :meth:`JobQueue.add`."""
        with self._connections.transaction(SCHEMA) as db:
            self._check_room(db, job.kind)
            row = db.execute(
                "INSERT INTO jobs (id, tenant, library, kind, status, record, about) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING number",
                (job.id, about["tenant"], job.library, job.kind, job.status, job.model_dump_json(), json.dumps(about)),
            ).fetchone()
            assert row is not None  # RETURNING gives the one row
            for number, content in enumerate(contents):
                db.execute("INSERT INTO uploads VALUES (%s, %s, %b)", (row[0], number, content))
        self._wake()

    def find(self, tenant: str, job_id: str) -> Job | None:
        """See :meth:`JobQueue.find`."""
        if not re.fullmatch(r"[0-9a-f]{32}", job_id):
            return None
        jobs = self._read_jobs("tenant = %s AND id = %s", (tenant, job_id), 1)
        return jobs[0] if jobs else None

    def newest(self, tenant: str, max_jobs: int) -> list[Job]:
        """See :meth:`JobQueue.newest`."""
        return self._read_jobs("tenant = %s", (tenant,), max_jobs)

    def ask_to_cancel(self, job_id: str) -> None:
        """See :meth:`JobQueue.ask_to_cancel`."""
        with self._connections.transaction(SCHEMA) as db:
            db.execute("UPDATE jobs SET is_cancelled = true WHERE id = %s", (job_id,))

    def hold(self, job_id: str) -> HeldJob | None:
        """See :meth:`JobQueue.hold`."""
        is_mine = f"SELECT number FROM jobs WHERE id = %s AND {_IS_OPEN} AND NOT ({_IS_LEASED})"
        return self._lease(is_mine, (job_id,))

    def take(self, kind: str) -> HeldJob | None:
        """See :meth:`JobQueue.take`."""
        while not self._is_closed:
            try:
                held = self.take_now(kind)
            except StorageError as error:
                logger.warning("jobs cannot be taken at present: %s", error)
                held, pause_s = None, _OUTAGE_S
            else:
                pause_s = _POLL_S
            if held is not None:
                return held
            with self._changed:
                if not self._is_closed:
                    self._changed.wait(pause_s)
        return None

    def take_now(self, kind: str) -> HeldJob | None:
        """The job of this kind whose turn it is; ``None`` if there is none for this process."""
        with self._changed:
            running = self._running[kind]
            busy = [tenant for tenant, number in running.items() if number >= self._shares[kind]]
        held = self._lease(_NEXT, {"kind": kind, "busy": busy, "wanted": self._wanted})
        if held is not None:
            with self._changed:
                running[held.about["tenant"]] += 1
        return held

    def resume(self) -> list[str]:
        """See :meth:`JobQueue.resume`."""
        is_old = f"number NOT IN (SELECT number FROM jobs ORDER BY number DESC LIMIT {MAX_JOBS})"
        with self._connections.transaction(SCHEMA) as db:
            db.execute(f"DELETE FROM jobs WHERE NOT {_IS_OPEN} AND {is_old}".encode())
            rows = db.execute(f"SELECT kind FROM jobs WHERE {_IS_OPEN} AND {_IS_FREE} ORDER BY number".encode())
            return [kind for (kind,) in rows if kind in self._running]

    def close(self) -> None:
        """See :meth:`JobQueue.close`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _check_room(self, db: Connection[Any], kind: str) -> None:
        statement = f"SELECT count(*) FROM jobs WHERE kind = %s AND {_IS_OPEN} AND NOT ({_IS_LEASED})"
        row = db.execute(statement.encode(), (kind,)).fetchone()
        if row and row[0] >= self._max_waiting:
            raise queue_full(self._max_waiting)

    def _read_jobs(self, condition: str, values: Sequence[Any], max_jobs: int) -> list[Job]:
        statement = f"SELECT record, about FROM jobs WHERE {condition} ORDER BY number DESC LIMIT %s"
        with self._connections.transaction(SCHEMA) as db:
            rows = db.execute(statement.encode(), (*values, max_jobs)).fetchall()
        jobs = [(Job.model_validate_json(record), about) for record, about in rows]
        present = self._roster.present() if any(map(_is_waiting_build, (job for job, _ in jobs))) else []
        return [_with_hint(job, about, present) for job, about in jobs]

    def _lease(self, choose: str, values: Any) -> HeldJob | None:
        with self._connections.transaction(SCHEMA) as db:
            # Two who choose at once would not see each other's choice, and both take a job of one library.
            db.execute("SELECT pg_advisory_xact_lock(hashtextextended('concord jobs', 0))")
            chosen = db.execute(choose.encode(), values).fetchone()
            row = db.execute(_LEASE, (self._lease_s, chosen[0])).fetchone() if chosen else None
        return None if row is None else PostgresJob(self._connections, row, self._lease_s, self._released)

    def _released(self, kind: str, tenant: str) -> None:
        with self._changed:
            if kind in self._running:
                self._running[kind][tenant] -= 1
                self._running[kind] += Counter()  # forgets tenants without a job
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _is_waiting_build(job: Job) -> bool:
    return job.kind == "patches" and job.status == "queued"


def _with_hint(job: Job, about: Mapping[str, Any], present: Sequence[Builder]) -> Job:
    """A build that waits says what for."""
    if not _is_waiting_build(job):
        return job
    hint = describe_wait(present, about.get("model", ""), about.get("base", ""))
    return job.model_copy(update={"hint": hint})
