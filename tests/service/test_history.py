"""Whatever turns a client sends, templates get users and assistants in strict alternation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.service.chat.history import history_of
from rag.service.chat.schemas import ChatMessage

ROLES = ("system", "developer", "user", "assistant")


def messages(*turns: tuple[str, str]) -> list[ChatMessage]:
    return [ChatMessage.model_validate({"role": role, "content": content}) for role, content in turns]


def test_an_ordinary_conversation_stays_as_it_is() -> None:
    turns = [("user", "a"), ("assistant", "b")]
    assert [(m.role, m.content) for m in history_of(messages(*turns))] == turns
    assert history_of([]) == []


def test_a_system_turn_is_the_first_exchange() -> None:
    history = history_of(messages(("system", "be brief"), ("user", "a"), ("assistant", "b")))
    assert [m.content for m in history] == ["be brief", "Understood.", "a", "b"]


def test_parts_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert ChatMessage.model_validate({"role": "user", "content": parts}).text == "a\nb"


@given(st.lists(st.tuples(st.sampled_from(ROLES), st.text("abc", min_size=1, max_size=3)), max_size=8))
def test_turns_alternate_and_no_text_is_lost(turns: list[tuple[str, str]]) -> None:
    history = history_of(messages(*turns))
    assert [m.role for m in history] == ["user", "assistant"] * (len(history) // 2)
    said = "\n".join(m.content for m in history)
    assert all(content in said for _, content in turns)


@pytest.mark.parametrize("content", [5, [{"type": "image_url", "image_url": "x"}]])
def test_other_content_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match="content"):
        ChatMessage.model_validate({"role": "user", "content": content})
