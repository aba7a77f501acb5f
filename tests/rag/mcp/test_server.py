"""A library for agents, as the official client of the protocol sees it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters

from rag.core.passages import Passage
from rag.engine import Engine
from rag.mcp.desk import EngineDesk
from rag.mcp.server import Server
from rag.mcp.tools import join_passages
from rag.models.sentence_encoder import EmbeddingsEncoder
from tests.conftest import ROOT, HashEmbeddings
from tests.service.tiny import CONFIG, load_tiny

TEXTS = {
    "2019.txt": "The harbour master of Port Selwick is Ines Corder.",
    "2023.txt": "The harbour master of Port Selwick is Aldo Brandt.",
}


def talk(server: Any, conversation: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Client(server, read_timeout_seconds=60) as client:
            return await conversation(client)

    return asyncio.run(asyncio.wait_for(run(), 120))


def read(server: Any, uri: str) -> str:
    return str(talk(server, lambda client: client.read_resource(uri)).contents[0].text)


def call(server: Any, tool: str, **arguments: Any) -> Any:
    return talk(server, lambda client: client.call_tool(tool, arguments))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    from rag.library.open import open_library

    library = open_library(tmp_path / "library")
    encoder = EmbeddingsEncoder(HashEmbeddings(), "hash")
    with Engine(library, CONFIG, encoder=encoder, generator=load_tiny()) as opened:
        yield opened


@pytest.fixture
def server(engine: Engine) -> Server:
    desk = EngineDesk(engine, "town")
    server = Server(lambda ctx: desk)
    documents = [{"source": source, "text": text} for source, text in TEXTS.items()]
    assert call(server, "add", documents=documents).structured_content["added"] == list(TEXTS)
    return server


def test_tools_say_what_they_do(server: Server) -> None:
    tools = {tool.name: tool for tool in talk(server, lambda client: client.list_tools()).tools}
    assert set(tools) == {"ask", "search", "conflicts", "documents", "libraries", "add"}
    assert all(len(tool.description) > 15 for tool in tools.values())
    assert [name for name, tool in tools.items() if not tool.annotations.read_only_hint] == ["add"]


@pytest.mark.real
def test_an_answer_is_structured(server: Server, engine: Engine) -> None:
    result = call(server, "ask", question="Who is the harbour master of Port Selwick?", top_k=1)
    assert not result.is_error
    answer = engine.ask("Who is the harbour master of Port Selwick?", top_k=1).to_dict()
    structured = result.structured_content
    assert (structured["text"], structured["library"]) == (answer["text"], "town")
    assert {"score", "is_conflict", "context_answer", "memory_answer"} <= structured["conflict"].keys()
    assert structured["citations"][0]["passage"] == answer["citations"][0]["passage"]
    assert json.loads(result.content[0].text) == structured


def test_passages_are_found_and_read(server: Server) -> None:
    found = call(server, "search", query="harbour master", top_k=2).structured_content["passages"]
    assert {passage["source"] for passage in found} == set(TEXTS)
    passage = found[0]
    assert read(server, passage["uri"]) == TEXTS[passage["source"]]


def test_documents_are_resources(server: Server) -> None:
    resources = talk(server, lambda client: client.list_resources()).resources
    assert [resource.name for resource in resources] == list(TEXTS)
    listed = call(server, "documents").structured_content["documents"]
    assert [one["uri"] for one in listed] == [str(resource.uri) for resource in resources]

    async def read_none(client: Client) -> str:
        with pytest.raises(MCPError) as refused:
            await client.read_resource("concord://town/0123456789abcdef")
        return str(refused.value)

    assert "no document" in talk(server, read_none)


def test_conflicts_name_the_documents_of_each_side(server: Server) -> None:
    (clash,) = call(server, "conflicts").structured_content["conflicts"]
    sides = {side["object"].lower(): [place["source"] for place in side["places"]] for side in clash["sides"]}
    assert sides == {"ines corder": ["2019.txt"], "aldo brandt": ["2023.txt"]}
    uri = clash["sides"][0]["places"][0]["uri"]
    assert clash["sides"][0]["places"][0]["sentence"] in read(server, uri)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("search", {"query": "x", "library": "other"}, "no library 'other'"),
        ("ask", {"question": ""}, "question"),
        ("ask", {"question": "  "}, "empty"),
        ("search", {"query": "x", "top_k": 0}, "top_k"),
        ("add", {"documents": [{"source": "a", "text": "b", "path": "/etc/passwd"}]}, "path"),
    ],
)
def test_errors_are_said_in_words(server: Server, tool: str, arguments: dict[str, Any], words: str) -> None:
    result = call(server, tool, **arguments)
    assert result.is_error
    assert words in result.content[0].text
    assert "Traceback" not in result.content[0].text


def test_a_server_that_only_reads_adds_nothing(engine: Engine) -> None:
    desk = EngineDesk(engine, "town", is_read_only=True)
    result = call(Server(lambda ctx: desk), "add", documents=[{"source": "a", "text": "b"}])
    assert (result.is_error, engine.documents()) == (True, [])
    assert "--read-only" in result.content[0].text


def test_overlaps_are_said_once() -> None:
    text = "abcdefghij"
    cuts = [(0, 4), (2, 6), (6, 10)]
    passages = [Passage(f"d:{n}", "d", "s", "", text[start:end], start) for n, (start, end) in enumerate(cuts)]
    assert join_passages(passages) == text
    assert join_passages([passages[0], passages[2]]) == "abcd\n\nghij"


@pytest.mark.real
def test_over_the_streams_of_a_process(tmp_path: Path) -> None:
    """``concord mcp`` as an agent starts it; nothing but the protocol is on its output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["-m", "rag", "mcp", str(tmp_path / "My Town")]
    process = StdioServerParameters(command=sys.executable, args=command, env=environment, cwd=ROOT)

    async def conversation(client: Client) -> Any:
        await client.call_tool("add", {"documents": [{"source": "a.txt", "text": TEXTS["2019.txt"]}]})
        return await client.call_tool("search", {"query": "Who is the harbour master?", "library": "my-town"})

    passages = talk(process, conversation).structured_content["passages"]
    assert [passage["source"] for passage in passages] == ["a.txt"]
