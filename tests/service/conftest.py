"""Services on loopback: a live one in a thread, with and without keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from rag.service.auth.keys import KeyFile
from tests.service.parts import LlmServer
from tests.service.tiny import tiny_app


@contextmanager
def live(app: Any) -> Iterator[str]:
    """Serve ``app`` on a free port of the loopback; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert soon(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def soon(is_true: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    end = time.monotonic() + timeout_s
    while not is_true() and time.monotonic() < end:
        time.sleep(0.01)
    return is_true()


def fill(http: httpx.Client, library: str, texts: dict[str, str]) -> None:
    """Make a library of ``texts`` by source."""
    assert http.post("/v1/libraries", json={"name": library}).status_code == 201
    documents = [{"source": source, "text": text} for source, text in texts.items()]
    url = f"/v1/libraries/{library}/documents"
    job = http.post(url, json={"documents": documents}, params={"wait_s": 30}).json()
    assert job["status"] == "done", job


TEXTS = {"harbour": "w10 w11 w12 runs the harbour", "mill": "w20 w21 w22 runs the mill"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service without keys, with the library 'papers'."""
    with live(tiny_app(tmp_path_factory.mktemp("service"))) as url:
        with httpx.Client(base_url=url, timeout=30) as http:
            fill(http, "papers", TEXTS)
        yield url


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A service with keys: its address, and the secrets of ann, ben, and ann's reader."""
    folder = tmp_path_factory.mktemp("keyed")
    keys = KeyFile(folder / "keys.json")
    secrets = {
        "ann": keys.add("ann", ["read", "write", "admin"])[1],
        "ben": keys.add("ben", ["read", "write", "admin"])[1],
        "reader": keys.add("ann", ["read"])[1],
    }
    with live(tiny_app(folder / "root", keys=folder / "keys.json", requests_per_minute=100_000)) as url:
        yield url, secrets


def as_tenant(keyed: tuple[str, dict[str, str]], who: str) -> httpx.Client:
    url, secrets = keyed
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secrets[who]}"}, timeout=30)


def chat(question: str, model: str = "papers", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **fields}


@pytest.fixture(scope="package")
def llm_server() -> Iterator[LlmServer]:
    """Not started yet, or left running by the test before; a test that needs it starts it and may kill it."""
    server = LlmServer()
    yield server
    server.kill()
