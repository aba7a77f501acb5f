"""What a queue of jobs promises, on disk and in PostgreSQL: durable, fair, one process at a job."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from rag.core.errors import SourceError, UnavailableError
from rag.service.jobs.folder_queue import FolderQueue
from rag.service.jobs.run import run_job
from rag.service.jobs.store import HeldJob, JobQueue, is_open
from rag.service.problems import Problem
from rag.service.schemas import Job
from tests.service.conftest import soon

KINDS = ("documents", "patches")
# A queue as another process opens it: of so many workers a kind, with room for so many jobs.
Open = Callable[..., JobQueue]


@pytest.fixture
def in_postgres(postgres: str) -> Iterator[Open]:
    from rag.service.jobs.postgres_queue import PostgresQueue

    connections = connect(postgres)
    yield lambda num_workers=3, max_waiting=100, **more: PostgresQueue(
        connections, dict.fromkeys(KINDS, num_workers), max_waiting, **more
    )
    connections.close()


@pytest.fixture(params=["folder", pytest.param("postgres", marks=pytest.mark.real)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "postgres":
        opened: Open = request.getfixturevalue("in_postgres")
        return opened
    return lambda num_workers=3, max_waiting=100: FolderQueue(tmp_path, dict.fromkeys(KINDS, num_workers), max_waiting)


def connect(postgres: str) -> Any:
    """Connections to a database in which no job waits."""
    from rag.library.postgres.address import Address
    from rag.library.postgres.connections import Connections
    from rag.service.postgres import SCHEMA

    connections = Connections(Address.parse(f"{postgres}/x"))
    with connections.transaction(SCHEMA) as db:
        for table in ("jobs", "builders"):
            if db.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.{table}",)).fetchone() != (None,):
                db.execute(f"TRUNCATE {SCHEMA}.{table} CASCADE".encode())
    return connections


def add(queue: JobQueue, tenant: str = "ann", library: str = "papers", kind: str = "documents", **more: Any) -> Job:
    job = Job(id=uuid.uuid4().hex, library=library, kind=kind, status="queued", num_sources=1)
    items = [{"name": "a.txt", "suffix": ".txt", "title": ""}]
    queue.add(job, {"tenant": tenant, "items": items, **more}, [b"w10\0w11"])
    return job


def taken(queue: JobQueue, kind: str = "documents") -> HeldJob:
    held = queue.take(kind)
    assert held is not None
    return held


def test_what_is_acknowledged_is_there_for_another_process(reopen: Open) -> None:
    job = add(reopen())
    other = reopen()
    assert other.find("ann", job.id) == job
    assert other.find("ben", job.id) is None
    assert other.find("ann", "../x") is None
    assert (other.newest("ann", 10), other.newest("ben", 10)) == ([job], [])
    assert other.resume() == ["documents"]
    held = taken(other)
    assert (held.job, held.about["tenant"], held.read_upload(0)) == (job, "ann", b"w10\0w11")
    with pytest.raises(SourceError):
        held.read_upload(1)
    assert reopen().hold(job.id) is None  # one process at a job
    held.write(job.model_copy(update={"status": "running", "num_done": 1}))
    assert other.find("ann", job.id) == job.model_copy(update={"status": "running", "num_done": 1})
    held.end(job.model_copy(update={"status": "done"}))
    held.release()
    assert reopen().hold(job.id) is None
    assert other.resume() == []


def test_tenants_take_turns(reopen: Open) -> None:
    queue = reopen(num_workers=1)
    for _ in range(3):
        add(queue, "ann")
    add(queue, "ben")
    order = []
    for _ in range(4):
        held = taken(queue)
        order.append(held.about["tenant"])
        held.end(held.job.model_copy(update={"status": "done"}))
        held.release()
    assert order == ["ann", "ben", "ann", "ann"]


def test_one_library_adds_one_upload_at_a_time(reopen: Open) -> None:
    queue = reopen()
    for library in ("papers", "papers", "notes"):
        add(queue, library=library)
    held = [taken(queue) for _ in range(2)]
    assert [one.job.library for one in held] == ["papers", "notes"]
    for one in held:
        one.release()


def test_one_tenant_never_has_all_workers(reopen: Open) -> None:
    queue = reopen(num_workers=2)
    for number in range(3):
        add(queue, "ann", f"library-{number}")
    add(queue, "ben")
    held = [taken(queue), taken(queue)]
    assert [one.about["tenant"] for one in held] == ["ann", "ben"]
    for one in held:
        one.release()


def test_a_full_queue_says_when_to_come_back(reopen: Open) -> None:
    queue = reopen(max_waiting=2)
    add(queue)
    add(queue)
    with pytest.raises(Problem) as refused:
        add(queue)
    assert (refused.value.status_code, refused.value.code) == (503, "queue_full")
    assert int((refused.value.headers or {})["Retry-After"]) > 0
    assert len(queue.newest("ann", 10)) == 2


def test_cancelling(reopen: Open) -> None:
    queue = reopen()
    job = add(queue)
    queue.ask_to_cancel(job.id)
    held = reopen().hold(job.id)
    assert held is not None
    assert held.is_cancelled()
    ended = run_job(held, lambda held, progress: pytest.fail("it was cancelled"), Event())
    assert ended is not None
    assert ended.status == "cancelled"


def test_an_error_fails_the_job_and_a_stop_lays_it_aside(reopen: Open) -> None:
    queue, stopping = reopen(), Event()
    failing, stopped = add(queue), add(queue, library="notes")

    def work(held: HeldJob, progress: Any) -> dict[str, object]:
        if held.job.id == failing.id:
            raise ValueError("a parser's bug")
        stopping.set()
        progress.start(1)
        progress.advance("a.txt")
        return {}

    assert [run_job(taken(queue), work, stopping) is None for _ in range(2)] == [False, True]
    job = queue.find("ann", failing.id)
    assert job is not None
    assert (job.status, job.error) == ("failed", "the service failed; its log has the reason")
    other = reopen()
    assert other.resume() == ["documents"]
    held = taken(other)
    assert held.job.id == stopped.id
    assert not held.attempts.num_kills  # it was laid aside
    held.release()


def test_a_model_that_is_down_for_a_moment(reopen: Open) -> None:
    queue = reopen()
    job = add(queue)

    def work(held: HeldJob, progress: Any) -> dict[str, object]:
        raise UnavailableError("the model server is down")

    assert run_job(taken(queue), work, Event()) is None
    found = queue.find("ann", job.id)
    assert found is not None
    assert is_open(found)


def lease_end(queue: Any) -> Any:
    with queue._connections.transaction("concord_service") as db:
        return db.execute("SELECT free_at FROM jobs").fetchone()[0]


@pytest.mark.real
class TestLeases:
    """What only PostgreSQL needs: there, no system tells that a process is gone."""

    def test_a_silent_worker_loses_its_job(self, in_postgres: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its lease runs out, another one goes on, and what the first one writes then changes nothing."""
        from rag.service.jobs.postgres_job import PostgresJob

        monkeypatch.setattr(PostgresJob, "_renew", lambda self: None)  # as if it were frozen
        job = add(in_postgres())
        late = taken(in_postgres(lease_s=1.0))
        late.attempts.begin(0)
        held = taken(in_postgres())  # waits for the end of the lease
        held.attempts.begin(held.job.num_done)
        assert held.job.id == job.id
        assert dict(held.attempts.num_kills) == {"whole": 1}
        for change in (lambda: late.write(job), lambda: late.end(job), late.attempts.end, late.release):
            with pytest.raises(UnavailableError, match="another process"):
                change()
        held.end(job.model_copy(update={"status": "done"}))
        held.release()

    def test_a_lease_is_renewed(self, in_postgres: Open) -> None:
        queue = in_postgres(lease_s=2.0)
        add(queue)
        held = taken(queue)
        first = lease_end(queue)
        assert soon(lambda: lease_end(queue) > first)
        held.release()

    def test_builds_are_for_workers_with_the_same_model(self, in_postgres: Open) -> None:
        add(in_postgres(), kind="patches", model="large", base="b1", doc_ids=[])
        for model, base in (("small", "b1"), ("large", "b2")):
            assert in_postgres(wanted={"model": model, "base": base}).take_now("patches") is None
        held = in_postgres(wanted={"model": "large", "base": "b1"}).take_now("patches")
        assert held is not None
        held.release()

    def test_a_build_says_what_it_waits_for(self, in_postgres: Open) -> None:
        from rag.service.jobs.roster import Builder, Roster

        queue = in_postgres()
        job = add(queue, kind="patches", model="large", base="b1", doc_ids=[])

        def hint() -> str | None:
            found = queue.find("ann", job.id)
            assert found is not None
            return found.hint

        assert "no worker for model 'large' is running; start one: concord worker --model large" in str(hint())
        roster = Roster(queue._connections)  # type: ignore[attr-defined]
        roster.note(Builder("w1", "hostname", "large", "b2", "cpu"))
        assert "another model of that name (b2 on hostname) than the service (b1)" in str(hint())
        roster.note(Builder("w2", "hostname", "large", "b1", "cpu"))
        assert hint() is None
        roster.leave("w2")
        assert hint() is not None

    def test_jobs_of_the_folder_are_handed_over(self, in_postgres: Open, tmp_path: Path) -> None:
        """An earlier version kept them there."""
        folder = FolderQueue(tmp_path / "data", {"documents": 1}, 10)
        job = add(folder)
        queue = in_postgres()
        assert folder.hand_over(queue) == 1
        assert folder.hand_over(queue) == 0
        held = taken(queue)
        assert (held.job.id, held.read_upload(0)) == (job.id, b"w10\0w11")
        held.release()

    def test_a_database_that_is_out_of_reach(self, in_postgres: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        """A worker that waits goes on when it is back; one that works lays its job aside."""
        from rag.core.errors import StorageError
        from rag.service.jobs import postgres_queue

        monkeypatch.setattr(postgres_queue, "_OUTAGE_S", 0.01)
        queue = in_postgres()
        add(queue)
        lease, calls = queue._lease, []  # type: ignore[attr-defined]

        def fail_twice(*args: Any) -> Any:
            calls.append(1)
            if len(calls) < 3:
                raise StorageError("the server closed the connection")
            return lease(*args)

        monkeypatch.setattr(queue, "_lease", fail_twice)
        held = taken(queue)
        assert len(calls) == 3
        held.release()
        assert soon(lambda: queue.resume() == ["documents"])
