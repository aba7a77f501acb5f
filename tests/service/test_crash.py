"""kill -9 during upload, indexing and chat: every acknowledged document is there when the service is up again."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from tests.processes import start
from tests.service.conftest import chat, soon
from tests.service.test_job_queues import connect
from tests.service.tiny import serve

pytestmark = pytest.mark.real
NUM_KILLS = int(os.environ.get("CONCORD_TEST_KILLS", "2"))


@contextmanager
def service(root: Path, port: int, *database: str) -> Iterator[BaseProcess]:
    process = start(serve, root, port, *database)
    try:
        assert soon(lambda: is_up(port), 180.0)  # a busy machine is slow, not wrong
        yield process
    finally:
        process.kill()
        process.join()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def is_up(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    return False


@pytest.fixture(params=["folder", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """The arguments that say where libraries and jobs are."""
    if request.param == "folder":
        yield ()
        return
    address = request.getfixturevalue("postgres")
    connect(address).close()
    yield (address,)
    from rag.library.postgres.catalog import PostgresCatalog

    catalog = PostgresCatalog(address)
    catalog.remove("default.papers")
    catalog.close()


def test_what_is_acknowledged_survives(tmp_path: Path, database: tuple[str, ...]) -> None:
    port = free_port()
    rng, acknowledged = random.Random(0), []
    for life in range(NUM_KILLS):
        with service(tmp_path, port, *database):
            httpx.post(f"http://127.0.0.1:{port}/v1/libraries", json={"name": "papers"})
            threads = [
                threading.Thread(target=upload_until_killed, args=(port, life, acknowledged)),
                threading.Thread(target=chat_until_killed, args=(port,)),
            ]
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.3, 1.5))
        for thread in threads:
            thread.join()
    assert len(acknowledged) >= NUM_KILLS
    with service(tmp_path, port, *database) as process:
        assert soon(lambda: set(acknowledged) <= documents(port), 60.0), set(acknowledged) - documents(port)
        process.terminate()
        process.join(20)
        assert process.exitcode in (0, -signal.SIGTERM)  # a signal that asks is answered in order


def upload_until_killed(port: int, life: int, acknowledged: list[str]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http, suppress(httpx.TransportError):
        for number in range(10_000):
            names = [f"{life}-{number}-{part}.txt" for part in range(3)]
            files = [("files", (name, f"{name} ".encode() * 50)) for name in names]
            if http.post("/v1/libraries/papers/files", files=files).is_success:
                acknowledged += names
            time.sleep(0.05)


def chat_until_killed(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http, suppress(httpx.TransportError):
        while True:
            http.post("/v1/chat/completions", json=chat("w1 w2", max_tokens=50))


def documents(port: int) -> set[str]:
    reply = httpx.get(f"http://127.0.0.1:{port}/v1/libraries/papers/documents").json()
    return {document["source"] for document in reply["data"]}
