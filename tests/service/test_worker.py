"""Workers that build patches of libraries in PostgreSQL: killed, stopped, without a model, without a database."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT
from tests.processes import start
from tests.service.conftest import chat, fill, live, soon
from tests.service.test_job_queues import connect
from tests.service.test_patches import PATCHES, QUESTION, TEXTS, many
from tests.service.tiny import tiny_app
from tests.service.tiny_worker import tiny_worker, work

pytestmark = pytest.mark.real


@pytest.fixture
def database(postgres: str) -> str:
    connect(postgres).close()
    return postgres


@pytest.fixture
def service(database: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A service whose libraries are in PostgreSQL; it has no library 'town'."""
    with live(tiny_app(tmp_path / "data", database=database)) as url, httpx.Client(base_url=url, timeout=60) as http:
        http.delete("/v1/libraries/town")  # another file's, in the database that all tests share
        yield http
        http.delete("/v1/libraries/town")


@contextmanager
def killed_at_the_end(database: str) -> Iterator[None]:
    process = start(work, database, 1.5)
    try:
        yield
    finally:
        process.kill()
        process.join()


def job_of(http: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
    return job


def test_a_build_goes_on_at_another_worker(service: httpx.Client, database: str) -> None:
    """Acknowledged by the service, then kill -9 of the worker: the next one ends the job, and keeps what was built."""
    fill(service, "town", many(16))
    job = service.post(PATCHES, json={}).json()
    with killed_at_the_end(database):
        assert soon(lambda: service.get(PATCHES).json()["num_patched"] > 0, 180.0)
    num_built = service.get(PATCHES).json()["num_patched"]
    worker = tiny_worker(database)
    thread = Thread(target=worker.run)
    thread.start()
    try:
        assert soon(lambda: job_of(service, job["id"])["status"] == "done", 180.0)
    finally:
        worker.stop()
        thread.join()
        worker.close()
    report = job_of(service, job["id"])["patch_report"]
    assert len(report["built"]) + len(report["skipped"]) == 16
    assert len(report["skipped"]) >= num_built
    assert service.get(PATCHES).json()["num_patched"] == 16


def test_a_worker_builds_and_the_service_answers(service: httpx.Client, database: str) -> None:
    """A build waits until a worker is there; what a text taught goes with its document."""
    fill(service, "town", TEXTS)
    job = service.post(PATCHES, json={"documents": ["harbour", "mill"]}, params={"wait_s": 0}).json()
    assert (job["status"], job["hint"] is None) == ("queued", False)
    worker = tiny_worker(database)
    worker.stop()
    worker.run(is_draining=True)  # takes nothing any more
    assert job_of(service, job["id"])["status"] == "queued"
    worker.close()
    worker = tiny_worker(database)
    worker.run(is_draining=True)
    worker.close()
    assert job_of(service, job["id"])["status"] == "done"
    body = chat(QUESTION, "town", rag={"patches": "only", "top_k": 1})
    reply = service.post("/v1/chat/completions", json=body).json()
    (used,) = reply["patches"]
    assert service.delete(f"{PATCHES}/{used['key']}").status_code == 200
    assert service.post("/v1/chat/completions", json=body).json()["error"]["code"] == "patch_not_ready"
    for document in service.get("/v1/libraries/town/documents").json()["data"]:
        service.delete(f"/v1/libraries/town/documents/{document['doc_id']}")
    assert service.get(PATCHES).json()["data"] == []


def test_a_build_that_waits_can_be_cancelled(service: httpx.Client, database: str) -> None:
    fill(service, "town", TEXTS)
    job = service.post(PATCHES, json={}).json()
    assert service.delete(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"


BAD = [
    (["--database", "postgresql://127.0.0.1:9/none", "--model", "no-such-model"], "127.0.0.1:9"),
    (["--database", "DATABASE", "--model", "/no/such/model"], "/no/such/model"),
    (["--database", "mysql://x"], "malformed|names no database|expected postgresql"),
    ([], "needs a database; give --database"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_worker_that_cannot_work_says_why(database: str, options: list[str], message: str) -> None:
    options = [database if option == "DATABASE" else option for option in options]
    command = [sys.executable, "-m", "rag", "worker", "--drain", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0])
