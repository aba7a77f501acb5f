"""``/mcp`` of a service: the official client of the protocol, with keys, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.service.conftest import as_tenant, fill, live
from tests.service.tiny import tiny_app

pytestmark = pytest.mark.real
Keyed = tuple[str, dict[str, str]]


def talk(url: str, conversation: Callable[[Client], Awaitable[Any]], key: str = "") -> Any:
    async def run() -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            return await conversation(client)

    return asyncio.run(asyncio.wait_for(run(), 120))


def call(url: str, tool: str, key: str = "", **arguments: Any) -> Any:
    return talk(url, lambda client: client.call_tool(tool, arguments), key)


def test_tenants_see_their_own_libraries(keyed: Keyed) -> None:
    url, secrets = keyed
    for who, words in (("ann", "w60 w61"), ("ben", "w70 w71")):
        with as_tenant(keyed, who) as http:
            fill(http, "agents", {f"{who}.txt": f"{words} runs the harbour"})
    for who, other in (("ann", "ben"), ("ben", "ann")):
        result = call(url, "search", secrets[who], query="runs the harbour", library="agents")
        assert [passage["source"] for passage in result.structured_content["passages"]] == [f"{who}.txt"]
        names = [str(resource.name) for resource in talk(url, lambda c: c.list_resources(), secrets[who]).resources]
        assert f"{who}.txt" in names
        assert f"{other}.txt" not in names


def test_adding_wants_the_scope(keyed: Keyed) -> None:
    url, secrets = keyed
    with as_tenant(keyed, "ann") as http:
        fill(http, "written", {"a.txt": "w10"})
    document = {"source": "agent.txt", "text": "w80 w81"}
    refused = call(url, "add", secrets["reader"], documents=[document], library="written")
    assert refused.is_error
    assert "write" in refused.content[0].text
    done = call(url, "add", secrets["ann"], documents=[document], library="written")
    assert done.structured_content["added"] == ["agent.txt"]
    found = call(url, "search", secrets["reader"], query="w80 w81", library="written", top_k=1)
    assert found.structured_content["passages"][0]["source"] == "agent.txt"


def test_an_answer_over_http(address: str) -> None:
    result = call(address, "ask", question="w10 runs the harbour", library="papers", top_k=1)
    assert not result.is_error, result.content
    assert result.structured_content["citations"][0]["source"] == "harbour"
    assert {"score", "is_conflict"} <= result.structured_content["conflict"].keys()


def test_the_only_library_need_not_be_named(tmp_path: Path) -> None:
    with live(tiny_app(tmp_path)) as url:
        with httpx.Client(base_url=url, timeout=30) as http:
            assert "none" in call(url, "search", query="w10").content[0].text
            fill(http, "papers", {"a.txt": "w10"})
            assert call(url, "search", query="w10").structured_content["library"] == "papers"
            fill(http, "more", {"a.txt": "w10"})
        refused = call(url, "search", query="w10")
        assert refused.is_error
        assert "more, papers" in refused.content[0].text


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer ck_no"}, 401), ({"Origin": "https://evil.example"}, 403)],
)
def test_who_is_refused(keyed: Keyed, headers: dict[str, str], status: int) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"Accept": "application/json, text/event-stream"}
    assert httpx.post(f"{keyed[0]}/mcp", json=body, headers=headers | accept).status_code == status
