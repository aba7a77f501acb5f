"""The form of a chat's messages, and the table of fields in docs/SERVICE.md."""

from __future__ import annotations

import httpx
import pytest
from openai.types.chat import ChatCompletionMessage, completion_create_params

from benchmarks.service_clients import read_fields
from rag.service.chat.messages import ChatMessage
from rag.service.chat.schemas import ChatRequest
from tests.service.conftest import chat


def test_parts_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert ChatMessage.model_validate({"role": "user", "content": parts}).text == "a\nb"


@pytest.mark.parametrize("content", [5, [{"type": "image_url", "image_url": "x"}]])
def test_other_content_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match="content"):
        ChatMessage.model_validate({"role": "user", "content": content})


def test_the_table_has_every_field_of_the_chat_and_of_openai() -> None:
    fields = {field for field, *_ in read_fields()}
    assert fields == ChatRequest.model_fields.keys()
    assert fields >= completion_create_params.CompletionCreateParamsBase.__annotations__.keys()


@pytest.mark.real
def test_the_table_is_right(http: httpx.Client) -> None:
    wrong = []
    for field, accepted, refused in read_fields():
        assert accepted, field
        assert refused, field
        for value in accepted:
            reply = http.post("/v1/chat/completions", json={**chat("w10", max_tokens=2), field: value})
            wrong += [] if reply.status_code == 200 else [(field, value, reply.text)]
        for value in refused:
            reply = http.post("/v1/chat/completions", json={**chat("w10", max_tokens=2), field: value})
            error = reply.json().get("error", {})
            is_named = reply.status_code in (400, 404) and str(error["param"]).partition(".")[0] == field
            wrong += [] if is_named else [(field, value, reply.text)]
    assert wrong == []


def test_a_message_goes_back_as_it_came() -> None:
    message = ChatCompletionMessage(role="assistant", content=None).model_dump()
    assert ChatMessage.model_validate(message).text == ""
    message = ChatCompletionMessage(role="assistant", content=None, refusal="No.").model_dump()
    assert ChatMessage.model_validate(message).text == "No."
    message = ChatCompletionMessage(role="assistant", content="w1").model_dump()
    assert ChatMessage.model_validate(message).text == "w1"


def test_keys_of_a_message_that_ask_for_something_are_refused() -> None:
    with pytest.raises(ValueError, match="tool_calls"):
        ChatMessage.model_validate({"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]})


def test_extra_keys_of_parts_say_nothing() -> None:
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}, "index": 0}
    assert ChatMessage.model_validate({"role": "user", "content": [part]}).text == "a"
