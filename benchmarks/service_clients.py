"""What clients of the service meet: fields that ask for nothing, four kinds of client, the first byte of a stream.

Part of ``benchmarks/service.py``; the table of fields is that of docs/SERVICE.md.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "SERVICE.md"
_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_NUM_STREAMS = 12


def read_fields() -> list[tuple[str, list[Any], list[Any]]]:
    """Each field of the chat, with values that are accepted and values that are refused."""
    text = _PAGE.read_text(encoding="utf-8").partition("### Fields")[2].partition("LangChain")[0]
    return [
        (field, *([json.loads(one) for one in re.findall(r"`(.+?)`", cell)] for cell in (accepted, refused)))
        for field, accepted, _, refused in _ROW.findall(text)
    ]


def neutral_fields_refused(url: str, library: str, question: str) -> int:
    """Values that the table calls accepted, and the service refuses."""
    num_refused = 0
    with httpx.Client(base_url=url, timeout=120) as http:
        for field, accepted, _ in read_fields():
            for value in accepted:
                body = {"model": library, "messages": [{"role": "user", "content": question}], "max_tokens": 1}
                body["rag"] = {"top_k": 1, "verdict": False}  # whether the field is taken does not hang on these
                body |= {} if field == "model" else {field: value}
                reply = http.post("/v1/chat/completions", json=body)
                if not reply.is_success:
                    print(f"  refused: {field}={value!r}: {reply.text}", file=sys.stderr)
                    num_refused += 1
    return num_refused


def first_byte_ms(url: str, library: str, question: str) -> float:
    """Median time to the first byte of a streamed chat, milliseconds."""
    times = []
    body = {"model": library, "messages": [{"role": "user", "content": question}], "stream": True, "max_tokens": 2}
    with httpx.Client(base_url=url, timeout=120) as http:
        for _ in range(_NUM_STREAMS):
            started = time.perf_counter()
            with http.stream("POST", "/v1/chat/completions", json=body) as reply:
                pieces = reply.iter_raw()
                next(pieces)
                times.append((time.perf_counter() - started) * 1e3)
                for _ in pieces:
                    pass
    return round(statistics.median(times), 1)


def clients(url: str, library: str, question: str) -> dict[str, float]:
    """Share of its checks that each client passes."""
    checks: dict[str, list[Callable[[str, str, str], Any]]] = {
        "openai": [_openai_models, _openai_answers, _openai_streams, _openai_echoes],
        "langchain": [_langchain_answers, _langchain_streams, _langchain_own_model],
        "mcp": [_mcp_tools, _mcp_answers, _mcp_reads],
        "sdk": [_sdk_answers, _sdk_streams, _sdk_searches],
    }
    return {
        name: round(sum(_passes(check, url, library, question) for check in each) / len(each), 3)
        for name, each in checks.items()
    }


def _passes(check: Callable[[str, str, str], Any], url: str, library: str, question: str) -> bool:
    try:
        is_passed = bool(check(url, library, question))
    except Exception as error:  # whatever a client raises, it has not passed
        print(f"  {check.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    return is_passed


def _openai(url: str) -> Any:
    from openai import OpenAI

    return OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def _turn(question: str) -> dict[str, str]:
    return {"role": "user", "content": question}


def _openai_models(url: str, library: str, question: str) -> bool:
    client = _openai(url)
    return library in [model.id for model in client.models.list()] and client.models.retrieve(library).id == library


def _openai_answers(url: str, library: str, question: str) -> bool:
    reply = _openai(url).chat.completions.create(model=library, messages=[_turn(question)], max_tokens=8)
    return bool(reply.choices[0].message.content and reply.citations)


def _openai_streams(url: str, library: str, question: str) -> bool:
    chunks = _openai(url).chat.completions.create(model=library, messages=[_turn(question)], max_tokens=8, stream=True)
    return bool("".join(chunk.choices[0].delta.content or "" for chunk in chunks))


def _openai_echoes(url: str, library: str, question: str) -> bool:
    client = _openai(url)
    message = client.chat.completions.create(model=library, messages=[_turn(question)], max_tokens=8).choices[0].message
    turns = [_turn(question), message.model_dump(), _turn(question)]
    return bool(client.chat.completions.create(model=library, messages=turns, max_tokens=8, tools=[]).choices)


def _langchain(url: str, library: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(base_url=f"{url}/v1", api_key="none", model=library, max_tokens=8, max_retries=0)


def _langchain_answers(url: str, library: str, question: str) -> bool:
    return bool(_langchain(url, library).invoke(question).content)


def _langchain_streams(url: str, library: str, question: str) -> bool:
    return bool("".join(str(chunk.content) for chunk in _langchain(url, library).stream(question)))


def _langchain_own_model(url: str, library: str, question: str) -> bool:
    from rag.client import Client
    from rag.langchain import ConcordChatModel, ConcordRetriever

    with Client(url, library=library) as client:
        documents = ConcordRetriever(engine=client, top_k=1).invoke(question)
        return bool(ConcordChatModel(engine=client).invoke(question).content and documents)


def _mcp(url: str, conversation: Callable[[Any], Any]) -> Any:
    from mcp import Client

    async def talk() -> Any:
        async with Client(f"{url}/mcp") as client:
            return await conversation(client)

    return asyncio.run(talk())


def _mcp_tools(url: str, library: str, question: str) -> bool:
    tools = _mcp(url, lambda client: client.list_tools()).tools
    return {"ask", "search", "conflicts", "add"} <= {tool.name for tool in tools}


def _mcp_answers(url: str, library: str, question: str) -> bool:
    arguments = {"question": question, "library": library, "top_k": 1}
    result = _mcp(url, lambda client: client.call_tool("ask", arguments))
    return bool(result.structured_content["text"] and result.structured_content["citations"])


def _mcp_reads(url: str, library: str, question: str) -> bool:
    found = _mcp(url, lambda client: client.call_tool("search", {"query": question, "library": library}))
    uri = found.structured_content["passages"][0]["uri"]
    return bool(_mcp(url, lambda client: client.read_resource(uri)).contents[0].text)


def _sdk_answers(url: str, library: str, question: str) -> bool:
    from rag.client import Client

    with Client(url, library=library) as client:
        return bool(client.ask(question, max_tokens=8).citations)


def _sdk_streams(url: str, library: str, question: str) -> bool:
    from rag.client import Client
    from rag.core.answer import Answer

    with Client(url, library=library) as client:
        *pieces, answer = client.stream(question, max_tokens=8)
    return bool(pieces) and isinstance(answer, Answer)


def _sdk_searches(url: str, library: str, question: str) -> bool:
    from rag.client import Client

    with Client(url, library=library) as client:
        return bool(client.retrieve([question], 1)[0])
