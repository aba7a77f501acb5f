"""The reply of a chat: OpenAI's completion, and what the engine knows about the answer.

A reply, and the last chunk of a streamed one, carries beside OpenAI's fields: ``citations``, ``dropped``,
``verdict`` (:class:`rag.core.verdict.Verdict`), ``conflict`` (:class:`rag.core.answer.Conflict`; its ``steps`` on
request), ``decoder``, ``settings``, ``skill``, ``patches`` and ``timings`` (milliseconds by stage, and ``total``): the
fields of :class:`rag.core.answer.Answer`, whose classes stand in the OpenAPI document as they are. With ``rag.trace``
every chunk of a stream carries the ``step`` of its token.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.core.answer import Citation, Conflict, PatchUse
from rag.core.verdict import Verdict


class Usage(BaseModel):
    """Token counts; the prompt is the one with the passages."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(BaseModel):
    """The answer."""

    content: str
    role: Literal["assistant"] = "assistant"


class Choice(BaseModel):
    """The one choice of a reply."""

    message: AnswerMessage
    finish_reason: Literal["stop", "length"]
    index: int = 0
    logprobs: None = None


class ChatReply(BaseModel):
    """A chat completion, with what the engine knows about it."""

    model_config = ConfigDict(extra="allow")
    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    citations: list[Citation]
    dropped: list[Citation]
    verdict: Verdict | None = Field(description="What each source says, and what the model knows.")
    conflict: Conflict = Field(description="Deprecated; see 'verdict'. Its 'steps' come with 'rag.trace' only.")
    decoder: str
    settings: dict[str, Any]
    skill: str = Field(description="The skill that read the passages; empty where none did.")
    patches: list[PatchUse] = Field(description="The documents whose patches it was generated with, and how strongly.")
    timings: dict[str, float] = Field(description="Milliseconds by stage, and their total.")
    object: Literal["chat.completion"] = "chat.completion"
