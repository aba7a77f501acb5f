"""Parts on their way to a server that takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import torch
from fastapi import FastAPI
from fastapi.responses import Response

from rag.generation.adapters.packed import PackedTensors, pack
from rag.generation.vllm.adapters.recipe import PATH
from rag.generation.vllm.adapters.sender import PartSender
from tests.service.conftest import live


class Server:
    """Takes parts, once the gate is open."""

    def __init__(self) -> None:
        self.num_puts, self.status = 0, 204
        self.gate = asyncio.Event()
        self.app = FastAPI()
        self.app.put(PATH + "/{digest}")(self.put)

    async def put(self, digest: str) -> Response:
        self.num_puts += 1
        await self.gate.wait()
        return Response(status_code=self.status)

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[PartSender]:
        url = "http://server"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
            yield PartSender(client, url)


@pytest.fixture
def part() -> PackedTensors:
    return pack({"model.layers.0.mlp.up_proj": (torch.ones(2, 8), torch.ones(16, 2))})


async def waiting(sender: PartSender, part: PackedTensors, num_callers: int) -> list[asyncio.Task[None]]:
    """Callers that wait for the same part."""
    callers = [asyncio.create_task(sender.send([part], "")) for _ in range(num_callers)]
    for _ in range(20):
        await asyncio.sleep(0)
    return callers


def test_a_caller_that_gives_up_leaves_the_part_to_the_others(part: PackedTensors) -> None:
    async def check() -> None:
        server = Server()
        async with server.sender() as sender:
            one, other = await waiting(sender, part, 2)
            one.cancel()
            await asyncio.sleep(0)
            server.gate.set()
            await other
            await sender.send([part], "")
        assert one.cancelled()
        assert server.num_puts == 1

    asyncio.run(check())


def test_a_part_that_is_forgotten_on_its_way_is_sent_again(part: PackedTensors) -> None:
    async def check() -> None:
        server = Server()
        async with server.sender() as sender:
            callers = await waiting(sender, part, 2)
            sender.forget([part.digest], "")
            server.gate.set()
            await asyncio.gather(*callers)
            await sender.send([part], "")
        assert server.num_puts == 2

    asyncio.run(check())


def test_a_part_that_was_refused_is_sent_again(part: PackedTensors) -> None:
    async def check() -> None:
        server = Server()
        server.gate.set()
        async with server.sender() as sender:
            server.status = 503
            with pytest.raises(httpx.HTTPStatusError):
                await sender.send([part], "")
            server.status = 204
            await sender.send([part], "")
        assert server.num_puts == 2

    asyncio.run(check())


def test_a_server_that_never_takes_a_part_does_not_keep_it(part: PackedTensors) -> None:
    """Whoever asks next sends it again; over a real connection, which knows of time."""
    app, puts = FastAPI(), list[str]()

    @app.put(PATH + "/{digest}")
    async def put(digest: str) -> Response:
        puts.append(digest)
        await asyncio.sleep(2.0 if len(puts) == 1 else 0.0)
        return Response(status_code=204)

    async def check(url: str) -> None:
        async with httpx.AsyncClient(timeout=None) as client:
            sender = PartSender(client, url, timeout_s=0.3)
            with pytest.raises(httpx.ReadTimeout):
                await sender.send([part], "")
            await sender.send([part], "")

    with live(app) as url:
        asyncio.run(check(url))
    assert len(puts) == 2
