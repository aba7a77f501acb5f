"""What a chat may ask over the wire: OpenAI's fields, and the ``rag`` object beside them.

What is taken for compatibility and what is refused stands here too; messages are in
:mod:`rag.service.chat.messages`, the reply is in :mod:`rag.service.chat.replies`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from rag.core.query import PatchMode
from rag.core.verdict import OnSilence, Policy, ReadBy
from rag.service.chat.fields import only
from rag.service.chat.formats import ResponseFormat
from rag.service.chat.messages import QUESTION_CHARS, ChatMessage
from rag.service.schemas import Name, Strict

StopText = Annotated[str, StringConstraints(max_length=500)]
# A name only: a folder of this machine is not a caller's to choose.
SkillName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
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
        "json_schema",
        "on_answer",
        "cache_salt",
        "remembers",
    )
)


class StreamOptions(Strict):
    """How a stream ends: with ``include_usage``, usage has its own chunk, as OpenAI sends it."""

    include_usage: bool | None = False
    include_obfuscation: bool | None = Field(False, description="Taken for compatibility; nothing is obfuscated.")


class RequestPassage(Strict):
    """A passage that comes with the request."""

    text: str = Field(min_length=1, max_length=QUESTION_CHARS)
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
        extra="allow", frozen=True, json_schema_extra={"example": {"library": "harbour", "decoder": "dial"}}
    )
    library: Name | None = Field(None, description="Where to look; by default the one that 'model' names.")
    decoder: str | None = Field(None, max_length=50, description="How the two streams are mixed.")
    alpha: float | Literal["auto"] | None = Field(
        None, description="dial, ckplug: 0 = documents ... 1 = memory, or 'auto'; cad, coiecd: contrast."
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
    skill: SkillName | None = Field(
        None, description="What passages are read with: 'auto', 'none', or the name of a skill of the service."
    )
    read_by: ReadBy | None = Field(None, description="What reads each passage alone for the verdict.")
    compress: float | None = Field(
        None, gt=0, le=1, description="Share of the passages' text that the model reads; 1 is all of it."
    )
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
    "rag": {"decoder": "dial", "alpha": "auto"},
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
    response_format: ResponseFormat | None = Field(
        None, description="Text, or JSON: that needs an engine that can bound its tokens (vLLM), else it is refused."
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
            "json_schema": (self.response_format.schema_text() if self.response_format else "") or None,
        }
        return {key: value for key, value in fields.items() if value is not None}
