"""The messages of a chat, as OpenAI's clients send them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from rag.service.chat.fields import check_content, check_extra

QUESTION_CHARS = 200_000


class TextPart(BaseModel):
    """A piece of a message's content. Other keys, such as ``cache_control``, say nothing to the models here."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    type: Literal["text", "refusal"]
    text: str = Field("", max_length=QUESTION_CHARS)
    refusal: str = Field("", max_length=QUESTION_CHARS)


class ChatMessage(BaseModel):
    """One turn. A system turn stands before the conversation as its first exchange.

    A message that the service or another OpenAI client has made is taken as it is: keys that say nothing (null, empty)
    are left aside.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        Annotated[str, StringConstraints(max_length=QUESTION_CHARS)] | list[TextPart] | None,
        BeforeValidator(check_content),
    ] = None
    refusal: str | None = Field(None, max_length=QUESTION_CHARS, description="Read where the content is null.")
    name: str | None = Field(None, max_length=64, description="Taken for compatibility; the models know no names.")

    @model_validator(mode="after")
    def _check_extra(self) -> ChatMessage:
        check_extra(self.model_extra or {})
        return self

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "\n".join(part.text or part.refusal for part in self.content)
        return self.content or self.refusal or ""
