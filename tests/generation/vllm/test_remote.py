"""What the client of a vLLM server makes of the server's replies; test_vllm_server.py talks to a real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from rag.core.errors import ConcordError, ModelError, SettingError, UnavailableError
from rag.generation.vllm.adapters.recipe import PATH
from rag.generation.vllm.identity import ModelIdentity
from rag.generation.vllm.remote import RemoteVllm
from rag.generation.vllm.server import Job, Piece
from tests.postgres_server import free_port
from tests.service.conftest import live


@dataclass
class Server:
    """Answers as vLLM's server does for the model and health it is given."""

    names: list[str] = field(default_factory=lambda: ["m", "m@0123"])
    health: int = 200
    url: str = ""
    stream_error: int = 0
    stream: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/health")
        def health() -> Response:
            return Response(status_code=self.health)

        @app.get("/v1/models")
        def models() -> dict[str, Any]:
            cards = [{"id": name, "root": "/there/m", "max_model_len": 64} for name in self.names]
            return {"data": [*cards, {"id": "adapter", "parent": "m", "root": "/there/a"}]}

        @app.get(PATH)
        def adapters() -> Response:
            return JSONResponse({"max_rank": 8}, self.health)

        @app.post("/v1/completions")
        def completions(body: dict[str, Any]) -> Response:
            if self.stream:
                return Response(self.stream, media_type="text/event-stream")
            if self.stream_error:  # vLLM has sent its status before it looks at a schema
                error = {"message": "Invalid type: nonsense", "code": self.stream_error}
                return Response(f"data: {json.dumps({'error': error})}\n\n", media_type="text/event-stream")
            assert body["model"] not in self.names
            return JSONResponse({"error": {"message": f"The model {body['model']} does not exist."}}, 404)

        return app


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    with live(server.app()) as server.url:
        yield server


def test_the_model_has_a_name_and_a_fingerprint(server: Server) -> None:
    remote = RemoteVllm(server.url)
    assert (remote.identity, remote.window) == (ModelIdentity("m", "0123"), 64)


def test_health_and_recovery(server: Server) -> None:
    remote = RemoteVllm(server.url)
    remote.check()
    server.health = 503
    with pytest.raises(UnavailableError, match="refused"):
        remote.check()
    server.health = 200
    remote.check()


def test_another_model_is_noticed(server: Server) -> None:
    """By the health check, and by a question: it asks for the fingerprint that the server had at the start."""
    remote = RemoteVllm(server.url)
    server.names = ["m", "m@4567"]
    with pytest.raises(ModelError, match="no longer runs m@0123 but m@4567"):
        remote.check()

    async def ask() -> None:
        async for _ in remote.run(Job((1, 2), "00", 4, ())):
            pass

    with pytest.raises(ModelError, match="no longer runs m@0123"):
        asyncio.run(ask())


def test_nobody_answers() -> None:
    with pytest.raises(UnavailableError, match="no vLLM server answers"):
        RemoteVllm(f"http://127.0.0.1:{free_port()}")


def test_a_server_of_another_kind() -> None:
    app = FastAPI()

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"data": [{"id": "m"}]}

    with live(app) as url, pytest.raises(ModelError, match="is no vLLM server"):
        RemoteVllm(url)


@pytest.mark.parametrize(("code", "kind"), [(400, SettingError), (500, UnavailableError), (429, UnavailableError)])
def test_an_error_in_the_stream_says_whose_fault_it_is(server: Server, code: int, kind: type[ConcordError]) -> None:
    server.stream_error = code
    remote = RemoteVllm(server.url)

    async def ask() -> None:
        job = Job((1, 2), "0" * 32, 4, (0,), json_schema='{"type": "nonsense"}')
        async for _ in remote.run(job):
            pass

    with pytest.raises(kind, match="Invalid type: nonsense"):
        asyncio.run(ask())


def read_stream(server: Server, last: str, pieces: list[Piece]) -> None:
    """Into ``pieces``, what comes of a stream of one token that ends with ``last``."""
    whole = json.dumps({"choices": [{"token_ids": [7]}]})
    server.stream = f"data: {whole}\n\ndata: {last}"
    remote = RemoteVllm(server.url)

    async def ask() -> None:
        async for piece in remote.run(Job((1, 2), "0" * 32, 4, (0,))):
            pieces.append(piece)  # noqa: PERF401 - those before an error are kept

    asyncio.run(ask())


@pytest.mark.parametrize("last", ['{"choices": [{"tok', "[1]", "{}", ""])
def test_a_stream_that_is_cut_off(server: Server, last: str) -> None:
    pieces: list[Piece] = []
    with pytest.raises(UnavailableError, match="was cut off; ask again"):
        read_stream(server, last, pieces)
    assert pieces == [Piece((7,))]


def test_a_stream_that_ends_with_the_number_of_tokens(server: Server) -> None:
    pieces: list[Piece] = []
    read_stream(server, '{"choices": [], "usage": {"total_tokens": 3}}', pieces)
    assert pieces == [Piece((7,))]


def test_a_server_that_is_down_says_nothing_of_adapters(server: Server) -> None:
    """It is not taken for one that runs none."""
    remote = RemoteVllm(server.url)
    server.health = 503
    with pytest.raises(UnavailableError, match="not able to answer now"):
        asyncio.run(remote.adapter_limits())
    server.health = 200
    assert asyncio.run(remote.adapter_limits()).max_rank == 8


def test_limits_of_a_server_that_is_gone() -> None:
    server = Server()
    with live(server.app()) as url:
        remote = RemoteVllm(url)
    with pytest.raises(UnavailableError, match="does not answer"):
        asyncio.run(remote.adapter_limits())
