"""The chat over HTTP: unmodified clients, both modes, errors, timings, and clients that leave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI

from rag.client import Client
from rag.core.answer import Answer
from rag.core.errors import UnavailableError
from rag.models.sentence_encoder import EmbeddingsEncoder
from rag.service.app import create_app
from rag.service.chat.replies import ChatReply
from rag.service.settings import ServiceSettings
from tests.conftest import HashEmbeddings
from tests.service.conftest import chat, fill, live, soon
from tests.service.tiny import CONFIG, load_tiny, tiny_app

pytestmark = pytest.mark.real
QUESTION = "w10 runs the harbour"


@pytest.fixture
def client(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def test_openai_chat(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(**chat(QUESTION))
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.model_extra["citations"][0]["source"] == "harbour"
    assert set(reply.model_extra["conflict"]) == {"score", "is_conflict", "context_answer", "memory_answer"}


def test_openai_stream_says_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**chat(QUESTION)).choices[0].message.content
    chunks = list(client.chat.completions.create(**chat(QUESTION), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip() == whole
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-1].model_extra["citations"][0]["source"] == "harbour"


def test_openai_usage_chunk(client: openai.OpenAI) -> None:
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**chat(QUESTION), stream=True, stream_options=options))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_openai_multi_turn(client: openai.OpenAI) -> None:
    turns = [
        {"role": "system", "content": "w30 w31"},
        {"role": "user", "content": "w40"},
        {"role": "assistant", "content": "w41"},
        {"role": "user", "content": QUESTION},
    ]
    alone = client.chat.completions.create(**chat(QUESTION))
    later = client.chat.completions.create(model="papers", messages=turns)
    assert later.usage.prompt_tokens > alone.usage.prompt_tokens


def test_the_base_model_answers_without_documents(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(**chat(QUESTION, "default"))
    assert reply.model_extra["citations"] == []
    assert [model.id for model in client.models.list()] == ["default", "papers"]


def test_options_of_the_engine(http: httpx.Client) -> None:
    rag = {"library": "papers", "decoder": "ckplug", "alpha": 0.25, "top_k": 1, "trace": True}
    reply = http.post("/v1/chat/completions", json=chat(QUESTION, "default", rag=rag)).json()
    assert (reply["decoder"], reply["settings"]["alpha"], len(reply["citations"])) == ("ckplug", 0.25, 1)
    assert len(reply["conflict"]["steps"]) == reply["usage"]["completion_tokens"]
    described = ChatReply.model_validate(reply)  # as the OpenAPI document has it
    assert asdict(described.conflict)["steps"] == tuple(reply["conflict"]["steps"])


def test_a_traced_stream_has_a_step_per_chunk(http: httpx.Client) -> None:
    body = chat(QUESTION, stream=True, rag={"trace": True})
    chunks = read_chunks(http.post("/v1/chat/completions", json=body).text)
    pieces = [chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content")]
    assert pieces
    assert all({"context_top", "parametric_top", "jsd", "weight"} <= chunk["step"].keys() for chunk in pieces)


def test_given_passages(http: httpx.Client) -> None:
    rag = {"passages": [{"text": "w50 w51", "source": "mine"}]}
    reply = http.post("/v1/chat/completions", json=chat(QUESTION, "default", rag=rag)).json()
    assert [citation["source"] for citation in reply["citations"]] == ["mine"]


@pytest.mark.parametrize("is_stream", [False, True])
def test_stage_times_add_up(http: httpx.Client, is_stream: bool) -> None:
    response = http.post("/v1/chat/completions", json=chat(QUESTION, stream=is_stream))
    timings = read_chunks(response.text)[-1]["timings"] if is_stream else response.json()["timings"]
    total = timings.pop("total")
    assert {"admit", "retrieve", "fit", "generate", "report", "deliver"} <= timings.keys()
    assert sum(timings.values()) == pytest.approx(total, rel=0.05, abs=2.0)


BAD: list[tuple[dict[str, Any], int, str]] = [
    (chat("w1", "nobody"), 404, "model_not_found"),
    (chat("w1", rag={"library": "nobody"}), 404, "library_not_found"),
    (chat("w1", rag={"no_such_option": 1}), 400, "invalid_option"),
    (chat("w1", rag={"decoder": "magic"}), 400, "invalid_option"),
    (chat("w1", rag={"decoder": "cad", "alpha": -1}), 400, "invalid_option"),
    (chat("w1", rag={"history": []}), 400, "invalid_value"),
    (chat("w1", rag={"library": "../../etc"}), 400, "invalid_value"),
    (chat("w1", nonsense=1), 400, "unknown_field"),
    (chat("w1", temperature=-1), 400, "invalid_value"),
    (chat("w1 " * 400), 400, "context_length_exceeded"),
    (chat("w1", max_tokens=10_000), 400, "context_length_exceeded"),
    (chat("   "), 400, "invalid_value"),
    ({"model": "papers", "messages": []}, 400, "invalid_value"),
    ({"model": "papers", "messages": [{"role": "assistant", "content": "w1"}]}, 400, "invalid_value"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD)
@pytest.mark.parametrize("is_stream", [False, True])
def test_refusals(http: httpx.Client, body: dict[str, Any], status: int, code: str, is_stream: bool) -> None:
    response = http.post("/v1/chat/completions", json={**body, "stream": is_stream})
    if is_stream and response.status_code == 200:  # on a busy machine the stream has begun when the engine refuses
        assert code in ("invalid_option", "context_length_exceeded")
        error = read_chunks(response.text)[-1]["error"]
    else:
        assert response.status_code == status
        error = response.json()["error"]
    assert error["code"] == code, error
    assert error["message"]
    assert error["type"]


def test_a_stream_begins_before_anything_is_retrieved(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a comment says that the service is at it, while nothing else comes; an error comes as one."""
    may_go = threading.Event()

    class Held(HashEmbeddings):
        def embed_documents(self, texts: list[str]) -> Any:
            if any(text.startswith("slow") for text in texts):
                may_go.wait(20)
            return super().embed_documents(texts)

    monkeypatch.setattr("rag.service.routes.chat._KEEP_ALIVE_S", 0.05)
    app = create_app(ServiceSettings(tmp_path), CONFIG, load_tiny, EmbeddingsEncoder(Held(), "hash"))
    with live(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        fill(client, "papers", {"harbour": QUESTION})
        client.post("/v1/chat/completions", json=chat("w1")).raise_for_status()
        body = chat("slow question", stream=True)
        with client.stream("POST", "/v1/chat/completions", json=body) as reply:
            lines = (line for line in reply.iter_lines() if line)
            assert json.loads(next(lines).removeprefix("data: "))["choices"][0]["delta"]["role"] == "assistant"
            assert next(lines) == ": still at it"
            may_go.set()
            assert "data: [DONE]" in list(lines)
        may_go.clear()
        with client.stream("POST", "/v1/chat/completions", json=chat("slow " * 400, stream=True)) as reply:
            lines = (line for line in reply.iter_lines() if line.startswith("data: "))
            assert "role" in next(lines)
            may_go.set()
            error = json.loads(next(lines).removeprefix("data: "))["error"]
            assert error["code"] == "context_length_exceeded"
            assert list(lines) == ["data: [DONE]"]


def test_a_stream_that_abstains_has_its_text(client: openai.OpenAI, address: str) -> None:
    rag = {"abstain": True}
    question = "w77 w78 w79"
    whole = client.chat.completions.create(**chat(question), extra_body={"rag": rag})
    assert whole.model_extra["is_abstained"]
    assert whole.choices[0].message.content
    chunks = client.chat.completions.create(**chat(question), stream=True, extra_body={"rag": rag})
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert streamed == whole.choices[0].message.content
    with Client(address, library="papers") as sdk:
        *_, answer = sdk.stream(question, abstain=True)
    assert isinstance(answer, Answer)
    assert (answer.is_abstained, answer.text) == (True, streamed)


def test_a_model_by_its_id(client: openai.OpenAI) -> None:
    assert [client.models.retrieve(name).id for name in ("papers", "default")] == ["papers", "default"]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_its_own_message_goes_back(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(**chat(QUESTION)).choices[0].message
    turns = [{"role": "user", "content": QUESTION}, first.model_dump(), {"role": "user", "content": QUESTION}]
    assert client.chat.completions.create(model="papers", messages=turns).usage.prompt_tokens > 0


def test_structured_output_is_refused_by_name(address: str) -> None:
    model = ChatOpenAI(base_url=f"{address}/v1", api_key="none", model="papers", max_retries=0)
    schema = {"title": "Person", "type": "object", "properties": {"name": {"type": "string"}}}
    for method, field in (("json_schema", "response_format"), ("function_calling", "tools")):
        with pytest.raises(openai.BadRequestError, match=field):
            model.with_structured_output(schema, method=method).invoke(QUESTION)


def test_bad_json(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    response = http.post("/v1/chat/completions", content=b'{"model": ', headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


def test_openai_errors_have_their_classes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**chat("w1", "nobody"))
    with pytest.raises(openai.BadRequestError, match="decoder"):
        client.chat.completions.create(**chat("w1"), extra_body={"rag": {"decoder": "magic"}})


def test_langchain_openai(address: str) -> None:
    model = ChatOpenAI(base_url=f"{address}/v1", api_key="none", model="papers", max_retries=0)
    whole = model.invoke(QUESTION)
    assert whole.content
    assert "".join(str(chunk.content) for chunk in model.stream(QUESTION)).strip() == whole.content
    history = [("system", "w30"), ("human", "w40"), ("ai", "w41"), ("human", QUESTION)]
    assert model.invoke(history).usage_metadata["input_tokens"] > whole.usage_metadata["input_tokens"]
    with pytest.raises(openai.BadRequestError):
        model.invoke("w1 " * 400)


def test_a_client_that_leaves_stops_the_engine(slow: tuple[str, Any]) -> None:
    url, generator = slow
    driver = generator._driver
    with httpx.Client(base_url=url, timeout=30) as client:
        with client.stream("POST", "/v1/chat/completions", json=chat(QUESTION, max_tokens=150, stream=True)) as reply:
            lines = reply.iter_lines()
            next(lines)
            assert driver._calls
        assert soon(lambda: not driver._calls and driver._thread is None, 5.0)
        assert soon(lambda: "concord_chats_running 0.0" in client.get("/metrics").text)
        metrics = client.get("/metrics").text
    assert "concord_chats_cancelled_total 1.0" in metrics


def test_a_client_that_leaves_before_the_reply(slow: tuple[str, Any]) -> None:
    url, generator = slow
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/chat/completions", json=chat(QUESTION, max_tokens=150), timeout=0.5)
    assert soon(lambda: not generator._driver._calls and generator._driver._thread is None, 5.0)


def test_too_many_at_once(slow: tuple[str, Any]) -> None:
    url, generator = slow
    body = chat(QUESTION, max_tokens=150)
    threads = [threading.Thread(target=post_and_leave, args=(url, body)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert soon(lambda: len(generator._driver._calls) == 2)
    refused = httpx.post(f"{url}/v1/chat/completions", json=body)
    for thread in threads:
        thread.join()
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1


def post_and_leave(url: str, body: dict[str, Any]) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/chat/completions", json=body, timeout=1.5)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A service whose model needs 30 ms a step, with room for two chats: its address and its generator."""
    generator = load_tiny()
    generator._codec.eos = frozenset()
    pause = threading.Event()

    def wait(*_: object) -> None:
        pause.wait(0.03)

    generator.model.register_forward_pre_hook(wait)
    with live(tiny_app(tmp_path_factory.mktemp("slow"), lambda: generator, max_chats=2)) as url:
        with httpx.Client(base_url=url, timeout=30) as client:
            fill(client, "papers", {"harbour": QUESTION})
        yield url, generator


def test_an_answer_that_takes_too_long(tmp_path: Any) -> None:
    with live(tiny_app(tmp_path, chat_timeout_s=0.001)) as url, httpx.Client(base_url=url, timeout=30) as client:
        fill(client, "papers", {"harbour": QUESTION})
        response = client.post("/v1/chat/completions", json=chat(QUESTION, max_tokens=100))
    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")


def test_an_engine_that_is_down_comes_back(tmp_path: Any) -> None:
    is_down = threading.Event()
    is_down.set()

    def load() -> Any:
        if is_down.is_set():
            raise UnavailableError("no model server answers at http://127.0.0.1:1; start it")
        return load_tiny()

    with live(tiny_app(tmp_path, load)) as url, httpx.Client(base_url=url, timeout=30) as client:
        fill(client, "papers", {"harbour": QUESTION})
        response = client.post("/v1/chat/completions", json=chat(QUESTION))
        assert (response.status_code, response.json()["error"]["code"]) == (503, "engine_unavailable")
        assert "Retry-After" in response.headers
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        is_down.clear()
        assert client.post("/v1/chat/completions", json=chat(QUESTION)).status_code == 200
        assert client.get("/readyz").status_code == 200


def read_chunks(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]
