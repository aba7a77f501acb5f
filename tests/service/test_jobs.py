"""Jobs: fair, never twice, cancelled when asked, and not for ever the end of the service."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

import rag.ingest.parsing.parser as parsing
from rag.ingest.parts import read_parts
from rag.ingest.source import Source
from rag.service.app import _resume
from rag.service.jobs.attempts import Attempts
from rag.service.jobs.queue import FairQueue, Ticket
from rag.service.jobs.store import Upload
from rag.service.problems import Problem
from rag.service.state import State
from tests.processes import start
from tests.service.conftest import live, soon
from tests.service.tiny import tiny_app

LIBRARY = "papers"


def ticket(number: int, tenant: str = "ann", library: str = "papers") -> Ticket:
    return Ticket(str(number), tenant, library)


def test_a_job_waits_once() -> None:
    queue = FairQueue(2, 100)
    assert queue.put(ticket(1))
    assert [queue.put(ticket(1)) for _ in range(20)] == [False] * 20
    taken = queue.take()
    assert taken is not None
    assert not queue.put(ticket(1))  # it runs
    assert len(queue) == 0
    queue.done(taken)
    assert queue.put(ticket(1))


def test_tenants_take_turns() -> None:
    queue = FairQueue(1, 100)
    for number in range(4):
        queue.put(ticket(number, "ann"))
    queue.put(ticket(9, "ben"))
    order = []
    for _ in range(5):
        taken = queue.take()
        assert taken is not None
        order.append(taken.tenant)
        queue.done(taken)
    assert order == ["ann", "ben", "ann", "ann", "ann"]


def test_one_tenant_never_has_all_workers() -> None:
    queue = FairQueue(3, 100)
    for number in range(5):
        queue.put(ticket(number, "ann", f"library-{number}"))
    assert [queue._next() is not None and queue._start(queue._next()).tenant for _ in range(2)] == ["ann", "ann"]
    assert queue._next() is None
    queue.put(ticket(9, "ben"))
    assert queue._next() == ticket(9, "ben")


def test_one_library_has_one_job_at_a_time() -> None:
    queue = FairQueue(4, 100)
    for number, library in enumerate(["papers", "papers", "notes"]):
        queue.put(ticket(number, library=library))
    taken = [queue.take() for _ in range(2)]
    assert [one and one.job_id for one in taken] == ["0", "2"]
    assert queue._next() is None


def test_a_full_queue_says_when_to_come_back() -> None:
    queue = FairQueue(1, 2)
    for number in range(2):
        queue.check_room()
        queue.put(ticket(number))
    with pytest.raises(Problem) as refused:
        queue.check_room()
    assert (refused.value.status_code, refused.value.code) == (503, "queue_full")
    assert int((refused.value.headers or {})["Retry-After"]) > 0


class Attempted:
    """The attempts at one job, read anew each time, as by another process."""

    def __init__(self) -> None:
        self._saved: dict[str, Any] = {}

    def read(self) -> Attempts:
        return Attempts(json.loads(json.dumps(self._saved)), self._save)

    def _save(self, fields: Mapping[str, Any]) -> None:
        self._saved = dict(fields)


def test_a_file_that_ends_the_process_twice_is_dead() -> None:
    job = Attempted()
    for _ in range(2):
        attempts = job.read()
        attempts.begin(0)
        assert not attempts.is_dead("3")
        attempts.look_at("3")
    attempts = job.read()
    attempts.begin(0)
    assert (attempts.is_dead("3"), attempts.is_dead("2"), attempts.is_dead()) == (True, False, False)


def test_a_job_that_was_laid_aside_is_not_at_fault() -> None:
    job = Attempted()
    for _ in range(5):
        attempts = job.read()
        attempts.begin(0)
        attempts.end()
    assert not job.read().num_kills


def test_a_job_that_gets_further_is_not_at_fault() -> None:
    """A long build that is killed now and then, but not one that always ends at the same place."""
    job = Attempted()
    for num_done in (0, 3, 7, 12):
        attempts = job.read()
        attempts.begin(num_done)
        assert not attempts.is_dead()
    attempts = job.read()
    attempts.begin(12)
    assert attempts.is_dead()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Any]:
    app = tiny_app(tmp_path, max_jobs=3)
    state: State = app.state.concord
    state.catalog.create("default", LIBRARY)
    yield app
    state.close()


class Held:
    """Sources wait in their reading until they may go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_go, self.num_reading = threading.Event(), 0
        load = __import__("rag.ingest.parsing.parser", fromlist=["read_document"]).read_document

        def wait(source: Source, content: bytes, *rest: Any) -> Any:
            self.num_reading += 1
            self.may_go.wait(20)
            return load(source, content, *rest)

        monkeypatch.setattr("rag.ingest.parsing.parser.read_document", wait)

        def wait_for_parts(source: Source) -> Any:
            self.num_reading += 1
            self.may_go.wait(20)
            return read_parts(source)

        monkeypatch.setattr("rag.ingest.prepare.read_parts", wait_for_parts)


def text(name: str) -> Upload:
    return Upload(name, ".txt", f"{name} w10 w11".encode())


def test_resuming_again_and_again_queues_nothing_twice(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held, jobs = Held(monkeypatch), app.state.concord.jobs
    for number in range(3):
        jobs.add("default", LIBRARY, [text(f"{number}.txt")])
    assert soon(lambda: held.num_reading == 1)
    assert [jobs.resume() for _ in range(20)] == [0] * 20
    assert jobs.queue.num_waiting("documents") == 2
    held.may_go.set()
    assert soon(lambda: not jobs.queue.num_waiting("documents") and not jobs.resume())


def test_a_full_queue_over_http(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    with live(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        body = {"documents": [{"source": "a", "text": "w10"}]}
        path = f"/v1/libraries/{LIBRARY}/documents"
        replies = [http.post(path, json=body) for _ in range(1)]
        assert soon(lambda: held.num_reading == 1)
        replies += [http.post(path, json=body) for _ in range(4)]
        held.may_go.set()
    assert [reply.status_code for reply in replies] == [202, 202, 202, 202, 503]
    assert replies[-1].json()["error"]["code"] == "queue_full"
    assert int(replies[-1].headers["Retry-After"]) > 0


def test_jobs_are_listed_and_cancelled(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    with live(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        path = f"/v1/libraries/{LIBRARY}/documents"
        bodies = [[f"running-{number}" for number in range(3)], ["waiting"]]
        running, waiting = (
            http.post(path, json={"documents": [{"source": name, "text": name} for name in names]}).json()["id"]
            for names in bodies
        )
        assert soon(lambda: held.num_reading == 1)
        assert {job["id"] for job in http.get("/v1/jobs").json()["data"]} == {running, waiting}
        assert http.delete(f"/v1/jobs/{waiting}").json()["status"] == "cancelled"
        assert http.delete(f"/v1/jobs/{running}").json()["status"] in ("queued", "running")
        held.may_go.set()
        assert soon(lambda: http.get(f"/v1/jobs/{running}").json()["status"] == "cancelled")
        assert http.delete(f"/v1/jobs/{running}").status_code == 409
        assert http.delete("/v1/jobs/nobody").status_code == 404
        assert http.get(path).json()["data"] == []
        job = http.post(path, json={"documents": [{"source": "later", "text": "w1"}]}, params={"wait_s": 30}).json()
        assert job["status"] == "done"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
@pytest.mark.parametrize("name", ["job.json", "items.json", "attempts.json"])
def test_a_damaged_record_stops_nobody(app: Any, name: str, content: bytes) -> None:
    state: State = app.state.concord
    job = state.jobs.add("default", LIBRARY, [text("whole.txt")])
    assert soon(lambda: state.jobs.find("default", job.id).status == "done")
    damaged = state.jobs.add("default", LIBRARY, [text("damaged.txt")])
    assert soon(lambda: state.jobs.find("default", damaged.id).status == "done")
    (state.catalog.root / ".jobs" / damaged.id / name).write_bytes(content)
    state.jobs.resume()
    with live(app) as url:
        reply = httpx.get(f"{url}/v1/jobs/{damaged.id}")
        assert reply.status_code in (200, 404), reply.text
        if name == "job.json":
            assert "damaged" in reply.json()["error"]
        assert httpx.get(f"{url}/v1/jobs/{job.id}").json()["status"] == "done"


def test_the_task_that_takes_jobs_up_outlives_any_error(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    state: State = app.state.concord
    calls: list[int] = []

    def fail() -> int:
        calls.append(1)
        raise ValueError("an empty record")

    monkeypatch.setattr(state.jobs, "resume", fail)
    monkeypatch.setattr("rag.service.app._RESUME_S", 0.01)

    async def watch() -> None:
        task = asyncio.create_task(_resume(state))
        while len(calls) < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(watch(), 20))


def work_until_killed(root: Path, names: Sequence[str] = ()) -> None:
    """Queue a file of each name, and another job, if there are names; work on all jobs. Poison kills the process."""
    load, may_read = parsing.read_document, threading.Event()

    def deadly(source: Source, content: bytes, *rest: Any) -> Any:
        may_read.wait()
        if b"poison" in content:
            os.kill(os.getpid(), signal.SIGKILL)
        return load(source, content, *rest)

    parsing.read_document = deadly
    state: State = tiny_app(root).state.concord
    if names:
        state.catalog.create("default", LIBRARY)
        state.jobs.add("default", LIBRARY, [text(name) for name in names])
        state.jobs.add("default", LIBRARY, [text("next.txt")])
    state.jobs.resume()
    may_read.set()
    assert soon(lambda: all(job.status not in ("queued", "running") for job in state.jobs.newest("default")), 60)
    state.close()


@pytest.mark.real
@pytest.mark.parametrize("names", [("poison.txt",), ("first.txt", "poison.txt", "last.txt")], ids=len)
def test_a_file_that_kills_the_worker_twice(tmp_path: Path, names: Sequence[str]) -> None:
    """Its job names it, the other files of its job are added, and the next job has its turn."""

    def live_once(*more: str) -> int | None:
        process = start(work_until_killed, tmp_path, more)
        process.join(120)
        return process.exitcode

    assert [live_once(*names), live_once(), live_once()] == [-signal.SIGKILL, -signal.SIGKILL, 0]
    records = [json.loads(path.read_text()) for path in (tmp_path / ".jobs").glob("*/job.json")]
    job = next(record for record in records if record["num_sources"] == len(names) and "poison" in str(record))
    other = next(record for record in records if record is not job)
    assert other["status"] == "done"
    assert [failure["source"] for failure in job["report"]["failed"]] == ["poison.txt"]
    assert "twice" in job["report"]["failed"][0]["reason"]
    if len(names) > 1:
        assert (job["status"], job["report"]["added"]) == ("done", ["first.txt", "last.txt"])
    else:
        assert job["status"] == "failed"
        assert "poison.txt" in job["error"]
