"""The form of a chat's messages."""

from __future__ import annotations

import pytest

from rag.service.chat.schemas import ChatMessage


def test_parts_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert ChatMessage.model_validate({"role": "user", "content": parts}).text == "a\nb"


@pytest.mark.parametrize("content", [5, [{"type": "image_url", "image_url": "x"}]])
def test_other_content_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match="content"):
        ChatMessage.model_validate({"role": "user", "content": content})
