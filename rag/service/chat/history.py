"""From a client's messages to the turns that every chat template takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rag.core.query import Message
from rag.service.chat.schemas import ChatMessage

# Several chat templates refuse a system turn, and all refuse two turns of one side in a row.
_SYSTEM_REPLY = "Understood."


def history_of(messages: Sequence[ChatMessage]) -> list[Message]:
    """The turns before the question, in strict alternation, user first."""
    system = "\n\n".join(m.text for m in messages if m.role in ("system", "developer"))
    turns = [Message("user", system), Message("assistant", _SYSTEM_REPLY)] if system else []
    for message in messages:
        if message.role == "system" or message.role == "developer":
            continue
        role: Literal["user", "assistant"] = message.role
        if turns and turns[-1].role == role:
            turns[-1] = Message(role, f"{turns[-1].content}\n\n{message.text}")
        elif turns or role == "user":
            turns.append(Message(role, message.text))
        else:
            turns += [Message("user", "Hello."), Message(role, message.text)]
    if turns and turns[-1].role == "user":
        turns.append(Message("assistant", _SYSTEM_REPLY))  # two questions in a row: the first one stands answered
    return turns
