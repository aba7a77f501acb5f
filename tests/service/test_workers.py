"""The threads that answer questions: a thread counts until it has ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.core.errors import UnavailableError
from rag.generation.cancel import Cancellation
from rag.models.sentence_encoder import EmbeddingsEncoder
from rag.service.app import create_app
from rag.service.chat.bridge import iterate
from rag.service.problems import Problem
from rag.service.settings import ServiceSettings
from rag.service.workers import Workers
from tests.conftest import HashEmbeddings
from tests.service.conftest import chat, fill, live, soon
from tests.service.tiny import CONFIG, load_tiny, tiny_app

QUESTION = "w10 runs the harbour"


@pytest.fixture
def may_end() -> Iterator[threading.Event]:
    """What blocked tasks wait for; set when the test is over, so that a failed one does not hang."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def workers(may_end: threading.Event) -> Iterator[Workers]:
    pool = Workers(2, 1)
    yield pool
    may_end.set()
    pool.close()


def test_one_client_has_its_share_and_all_have_a_limit(workers: Workers, may_end: threading.Event) -> None:
    futures = [workers.submit(client, may_end.wait) for client in ("ann", "ben")]
    for client in ("ann", "eve"):
        with pytest.raises(Problem) as refused:
            workers.submit(client, may_end.wait)
        assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "1"})
    may_end.set()
    assert all(future.result(10) for future in futures)
    assert workers.num_running == 0
    assert workers.submit("ann", lambda: "served").result(10) == "served"


def test_an_error_frees_the_thread_before_it_is_told(workers: Workers) -> None:
    for _ in range(50):
        with pytest.raises(ZeroDivisionError):
            workers.submit("ann", lambda: 1 / 0).result(10)


def test_who_leaves_a_thread_that_cannot_stop_still_occupies_it(workers: Workers, may_end: threading.Event) -> None:
    def stubborn() -> Iterator[int]:
        yield 1
        may_end.wait()
        yield 2

    async def leave() -> None:
        submit = partial(workers.submit, "ann")
        async with aclosing(iterate(submit, stubborn, Cancellation())) as events:
            assert await anext(events) == 1

    asyncio.run(leave())
    assert workers.num_running == 1
    with pytest.raises(Problem):
        asyncio.run(leave())
    may_end.set()
    assert soon(lambda: workers.num_running == 0)
    asyncio.run(leave())


def test_a_question_that_never_began_is_told_when_the_service_closes(may_end: threading.Event) -> None:
    pool = ThreadPoolExecutor(1)

    async def ask() -> None:
        async for _ in iterate(pool.submit, lambda: iter([1]), Cancellation()):
            pass

    async def close_meanwhile() -> None:
        pool.submit(may_end.wait)
        waiting = asyncio.create_task(ask())
        await asyncio.sleep(0)
        closing = asyncio.get_running_loop().run_in_executor(None, partial(pool.shutdown, cancel_futures=True))
        with pytest.raises(UnavailableError, match="closing"):
            await waiting
        may_end.set()
        await closing

    asyncio.run(close_meanwhile())


class HeldEmbeddings(HashEmbeddings):
    """Embeds when it may; counts the threads that are inside."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.may_go.set()
        self.num_inside = self.most_inside = 0
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> Any:
        with self._lock:
            self.num_inside += 1
            self.most_inside = max(self.most_inside, self.num_inside)
        self.may_go.wait()
        with self._lock:
            self.num_inside -= 1
        return super().embed_documents(texts)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[httpx.Client, HeldEmbeddings]]:
    """A service with two threads, whose retrieval waits when it is told to."""
    embeddings = HeldEmbeddings()
    settings = ServiceSettings(tmp_path, max_chats=2)
    app = create_app(settings, CONFIG, load_tiny, EmbeddingsEncoder(embeddings, "hash"))
    with live(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        fill(client, "papers", {"harbour": QUESTION})
        assert client.post("/v1/chat/completions", json=chat(QUESTION)).status_code == 200
        embeddings.most_inside = 0
        embeddings.may_go.clear()
        yield client, embeddings
        embeddings.may_go.set()


ROUTES = [
    ("/v1/chat/completions", lambda question: chat(question)),
    ("/v1/libraries/papers/retrieve", lambda question: {"questions": [question]}),
]


@pytest.mark.real
@pytest.mark.parametrize(("path", "build_body"), ROUTES)
def test_clients_that_leave_do_not_make_room_that_is_not_there(
    held: tuple[httpx.Client, HeldEmbeddings], path: str, build_body: Any
) -> None:
    client, embeddings = held
    statuses = []
    for number in range(10):
        try:
            statuses.append(client.post(path, json=build_body(f"w{number} w30"), timeout=0.5).status_code)
        except httpx.ReadTimeout:
            statuses.append(0)
    assert statuses[-1] == 429
    assert statuses.count(0) == 2
    assert embeddings.most_inside <= 2
    embeddings.may_go.set()
    assert soon(lambda: "concord_chats_running 0.0" in client.get("/metrics").text)
    assert client.post(path, json=build_body(QUESTION)).status_code == 200


@pytest.mark.real
def test_clients_that_leave_a_generator_that_cannot_stop(tmp_path: Path, may_end: threading.Event) -> None:
    generator = load_tiny()
    stream = generator.stream

    def stubborn(requests: Any) -> Iterator[Any]:
        for event in stream(requests):
            yield event
            may_end.wait()

    with (
        live(tiny_app(tmp_path, lambda: generator, max_chats=2)) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        fill(client, "papers", {"harbour": QUESTION})
        generator.stream = stubborn  # type: ignore[method-assign]
        body = chat(QUESTION, stream=True)
        statuses = []
        try:
            for _ in range(10):
                with client.stream("POST", "/v1/chat/completions", json=body) as reply:
                    next(reply.iter_lines())
                    statuses.append(reply.status_code)
        finally:
            may_end.set()
        assert statuses == [200, 200, *[429] * 8]
        assert soon(lambda: "concord_chats_running 0.0" in client.get("/metrics").text)
        assert client.post("/v1/chat/completions", json=body).status_code == 200
