"""The chat over the wire: OpenAI's forms, the ``rag`` object of a request, and what the reply says beyond them.

A reply, and the last chunk of a streamed one, carries beside OpenAI's fields: ``citations``, ``dropped``,
``verdict`` (:class:`rag.core.verdict.Verdict`), ``conflict`` (:class:`rag.core.answer.Conflict`; its ``steps`` on
request), ``decoder``, ``settings``, ``patches`` and
``timings`` (milliseconds by stage, and ``total``): the fields of :class:`rag.core.answer.Answer`, whose classes stand
in the OpenAPI document as they are. With ``rag.trace`` every chunk of a stream carries the ``step`` of its token.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from rag.core.answer import Citation, Conflict, PatchUse
from rag.core.query import PatchMode
from rag.core.verdict import OnSilence, Policy, Verdict
from rag.service.chat.fields import check_content, check_extra, only
from rag.service.schemas import Name, Strict

_QUESTION_CHARS = 200_000
StopText = Annotated[str, StringConstraints(max_length=500)]
Label = Annotated[str, StringConstraints(max_length=1000)] | None
# What the chat's own fields set, or the service itself: not to be set again inside ``rag``.
RESERVED_OPTIONS = frozenset(
    (
        "question",
        "history",
        "max_tokens",
        "temperature",
        "top_p",
        "seed",
        "stop",
        "on_answer",
        "cache_salt",
        "remembers",
    )
)


class TextPart(BaseModel):
    """A piece of a message's content. Other keys, such as ``cache_control``, say nothing to the models here."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    type: Literal["text", "refusal"]
    text: str = Field("", max_length=_QUESTION_CHARS)
    refusal: str = Field("", max_length=_QUESTION_CHARS)


class ChatMessage(BaseModel):
    """One turn. A system turn stands before the conversation as its first exchange.

    A message that the service or another OpenAI client has made is taken as it is: keys that say nothing (null, empty)
    are left aside.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        Annotated[str, StringConstraints(max_length=_QUESTION_CHARS)] | list[TextPart] | None,
        BeforeValidator(check_content),
    ] = None
    refusal: str | None = Field(None, max_length=_QUESTION_CHARS, description="In place of a content that is null.")
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


class StreamOptions(Strict):
    """How a stream ends: with ``include_usage``, usage has its own chunk, as OpenAI sends it."""

    include_usage: bool | None = False
    include_obfuscation: bool | None = Field(False, description="Taken for compatibility; nothing is obfuscated.")


class RequestPassage(Strict):
    """A passage that comes with the request."""

    text: str = Field(min_length=1, max_length=_QUESTION_CHARS)
    source: str = Field("", max_length=500)
    title: str = Field("", max_length=500)
    doc_id: str = Field("", max_length=200)
    passage_id: str = Field("", max_length=200)
    start: int = Field(0, ge=0)
    location: str = Field("", max_length=500, description="Where it stands, such as 'page 3'.")
    heading: str = Field("", max_length=2000, description="The headings above it.")
    date: str = Field("", max_length=40, description="Of the document, ISO 8601.")


class RagOptions(BaseModel):
    """Everything that the engine can be asked for beyond a plain chat.

    Other fields are the engine's own options, of decoders, retrieval and so on; one that it does not know is refused.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, json_schema_extra={"example": {"library": "harbour", "decoder": "adacad"}}
    )
    library: Name | None = Field(None, description="Where to look; by default the one that 'model' names.")
    decoder: str | None = Field(None, max_length=50, description="How the two streams are mixed.")
    alpha: float | Literal["auto"] | None = Field(
        None, description="ckplug: 0 = documents ... 1 = memory, or 'auto'; cad, coiecd: contrast."
    )
    top_k: int | None = Field(None, ge=1, le=100, description="Passages in the prompt.")
    passages: list[RequestPassage] | None = Field(
        None, max_length=100, description="Answer from these, best first, without retrieval."
    )
    patches: PatchMode | None = Field(
        None,
        description="'auto': passages, and the patches of the documents they are from; 'only': patches alone; 'off'.",
    )
    verdict: bool | None = Field(None, description="Read each passage alone, and say what each source and memory say.")
    policy: Policy | None = Field(None, description="What the answer follows where sources disagree.")
    on_silence: OnSilence | None = Field(None, description="What is said where the documents say nothing.")
    trace: bool = Field(False, description="Report what both streams said at each token.")

    @model_validator(mode="after")
    def _check_extra(self) -> RagOptions:
        extra = self.model_extra or {}
        taken = sorted(RESERVED_OPTIONS & extra.keys())
        if taken:
            raise ValueError(f"{taken[0]!r} is no field of 'rag'; give it beside 'messages' where OpenAI has it")
        json.dumps(extra, ensure_ascii=False).encode()  # half a surrogate pair is no text: a ValueError
        return self

    def options(self) -> dict[str, Any]:
        """The options for the engine."""
        return self.model_dump(exclude_none=True, exclude={"library", "passages", "trace"})


_EXAMPLE: JsonDict = {
    "model": "harbour",
    "messages": [{"role": "user", "content": "Who runs the harbour?"}],
    "rag": {"decoder": "ckplug", "alpha": "auto"},
}


class ChatRequest(Strict):
    """A chat completion."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})
    model: str = Field(min_length=1, max_length=200, description="The base model, or a library.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=200, description="The last one is the question.")
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1, le=100_000)
    max_completion_tokens: int | None = Field(None, ge=1, le=100_000)
    temperature: float | None = Field(None, ge=0, le=100, description="By default 0, greedy.")
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[str, StringConstraints(max_length=500)] | Annotated[list[StopText], Field(max_length=16)] | None = (
        None
    )
    rag: Annotated[RagOptions, BeforeValidator(lambda value: {} if value is None else value)] = Field(
        default_factory=lambda: RagOptions.model_validate({})
    )

    # Taken for compatibility: they change nothing here, whatever they say.
    user: Label = Field(None, description="Taken for compatibility; the key names the tenant.")
    safety_identifier: Label = Field(None, description="Taken for compatibility.")
    prompt_cache_key: Label = Field(None, description="Taken for compatibility; a tenant's prompts are cached for it.")
    metadata: dict[str, Any] | None = Field(None, description="Taken for compatibility; nothing is stored.")
    parallel_tool_calls: bool | None = Field(None, description="Taken for compatibility; there are no tools.")

    # Not done here: a value that asks for nothing is accepted, any other is refused by name.
    n: Annotated[None, only(1, meaning="One answer is made.")] = None
    presence_penalty: Annotated[None, only(0, meaning="No penalties.")] = None
    frequency_penalty: Annotated[None, only(0, meaning="No penalties.")] = None
    logit_bias: Annotated[None, only({}, meaning="No biases.")] = None
    logprobs: Annotated[None, only(False, meaning="'rag.trace' says what both streams said.")] = None
    top_logprobs: Annotated[None, only(0, meaning="'rag.trace' says what both streams said.")] = None
    tools: Annotated[None, only([], meaning="No tools.")] = None
    tool_choice: Annotated[None, only("none", "auto", meaning="No tools.")] = None
    functions: Annotated[None, only([], meaning="No tools.")] = None
    function_call: Annotated[None, only("none", "auto", meaning="No tools.")] = None
    response_format: Annotated[None, only({"type": "text"}, meaning="Answers are text.")] = None
    modalities: Annotated[None, only(["text"], meaning="Answers are text.")] = None
    audio: Annotated[None, only(meaning="Answers are text.")] = None
    prediction: Annotated[None, only(meaning="Nothing is predicted.")] = None
    reasoning_effort: Annotated[None, only("none", meaning="The models answer at once.")] = None
    verbosity: Annotated[None, only("medium", meaning="'max_tokens' bounds the answer.")] = None
    service_tier: Annotated[None, only("auto", "default", meaning="All requests are served alike.")] = None
    store: Annotated[None, only(False, meaning="Nothing is stored.")] = None
    prompt_cache_retention: Annotated[None, only(meaning="Nothing is stored.")] = None
    prompt_cache_options: Annotated[None, only(meaning="Nothing is stored.")] = None
    moderation: Annotated[None, only(meaning="Nothing is moderated.")] = None
    web_search_options: Annotated[None, only(meaning="Only the library is searched.")] = None

    def sampling(self) -> dict[str, Any]:
        """The fields of :class:`rag.core.query.Sampling` that the request sets."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        fields = {
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": tuple(text for text in stop if text) or None,
        }
        return {key: value for key, value in fields.items() if value is not None}


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
    patches: list[PatchUse] = Field(description="The documents whose patches it was generated with, and how strongly.")
    timings: dict[str, float] = Field(description="Milliseconds by stage, and their total.")
    object: Literal["chat.completion"] = "chat.completion"
