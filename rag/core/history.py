"""From a client's messages to the turns that every chat template takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rag.core.query import Message

SpeakerRole = Literal["system", "developer", "user", "assistant"]
# The reply to a turn that is no question: several chat templates refuse a system turn, and all refuse two turns of one
# side in a row.
NEUTRAL_REPLY = "Understood."


def alternate_turns(messages: Iterable[tuple[SpeakerRole, str]]) -> list[Message]:
    """The turns before a question, in strict alternation, the user first.

    Args:
        messages: role and text of each message. System and developer messages become the first exchange.
    """
    messages = list(messages)
    system = "\n\n".join(text for role, text in messages if role in ("system", "developer"))
    turns = [Message("user", system), Message("assistant", NEUTRAL_REPLY)] if system else []
    for role, text in messages:
        if role == "user" or role == "assistant":
            _append(turns, Message(role, text))
    if turns and turns[-1].role == "user":
        turns.append(Message("assistant", NEUTRAL_REPLY))  # two questions in a row: the first one counts as answered
    return turns


def _append(turns: list[Message], message: Message) -> None:
    if turns and turns[-1].role == message.role:
        turns[-1] = Message(message.role, f"{turns[-1].content}\n\n{message.content}")
    elif turns or message.role == "user":
        turns.append(message)
    else:
        turns += [Message("user", "Hello."), message]
