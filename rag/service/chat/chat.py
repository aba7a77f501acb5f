"""A chat completion: from the request's messages to the engine, and from its events to OpenAI's forms."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from rag.core.answer import Answer, TokenEvent
from rag.core.history import alternate_turns
from rag.core.passages import Passage
from rag.engine import Engine
from rag.generation.base import check_can_constrain
from rag.service.auth.keys import Key
from rag.service.catalog.base import LibraryCatalog, tenant_salt
from rag.service.chat.schemas import ChatRequest, RequestPassage
from rag.service.jobs.patches import check_patched_questions
from rag.service.problems import Problem

# Among the timings until the answer is delivered: when the engine gave it.
_ANSWERED = "answered_s"


@dataclass(frozen=True)
class Chat:
    """One chat under way.

    Attributes:
        library: the library it asks, or ``None`` for the model alone.
        started_s: when its request came in (``time.perf_counter``).
    """

    request: ChatRequest
    key: Key
    library: str | None
    started_s: float
    chat_id: str

    @property
    def question(self) -> str:
        """The last message."""
        return self.request.messages[-1].text

    def events(self, catalog: LibraryCatalog) -> Iterator[TokenEvent | Answer]:
        """What the engine says, read in its own thread; the first stage is the wait for that thread."""
        waited_ms = (time.perf_counter() - self.started_s) * 1e3
        engine = catalog.base if self.library is None else self._engine(catalog, self.library)
        for event in self._ask(engine):
            if isinstance(event, Answer):
                timings = {"admit": waited_ms, **event.timings_ms, _ANSWERED: time.perf_counter()}
                event = replace(event, timings_ms=timings)
            yield event

    def _engine(self, catalog: LibraryCatalog, library: str) -> Engine:
        open_engine = catalog.filled if self.request.rag.passages is None else catalog.engine
        return open_engine(self.key.tenant, library)

    def _ask(self, engine: Engine) -> Iterator[TokenEvent | Answer]:
        options = self.request.rag.options() | self.request.sampling()
        if "json_schema" in options:
            check_can_constrain(engine.generator)  # at once, and not after the search
        turns = [(turn.role, turn.text) for turn in self.request.messages[:-1] if turn.text.strip()]
        options |= {"history": alternate_turns(turns), "cache_salt": tenant_salt(self.key.tenant)}
        options["remembers"] = self.key.allows("write")  # a key that only reads leaves the library as it is
        if self.request.rag.patches not in (None, "off"):
            if self.library is None:  # whose patches? The engine without documents is everybody's
                raise Problem(400, "invalid_option", "'patches' needs a library; name one in 'model'", param="rag")
            if self.request.rag.patches == "only":
                check_patched_questions(engine)
        yield from engine.stream(self.question, passages=self._passages(), **options)

    def _passages(self) -> list[Passage] | None:
        """The passages of the request, none for the model alone; ``None`` if they are to be retrieved."""
        items = self.request.rag.passages
        if items is None:
            return [] if self.library is None else None
        return [_build_passage(number, item) for number, item in enumerate(items)]


def open_chat(request: ChatRequest, key: Key, catalog: LibraryCatalog, started_s: float) -> Chat:
    """Check which library ``model`` or ``rag.library`` names, and that the last message is a question.

    Raises:
        Problem: 404, no such model or library; 400, the conversation does not end with a question.
    """
    library = request.rag.library
    if library is None and request.model not in base_names(catalog):
        library = request.model
    if library is not None and library not in catalog.names(key.tenant):
        code = "library_not_found" if request.rag.library else "model_not_found"
        what = f"library {library!r}" if request.rag.library else f"model {library[:80]!r}"
        raise Problem(404, code, f"there is no {what}; GET /v1/models lists what there is", param="model")
    last = request.messages[-1]
    if last.role != "user" or not last.text.strip():
        raise Problem(400, "invalid_value", "the last message must be a question by the user", param="messages")
    return Chat(request, key, library, started_s, f"chatcmpl-{uuid.uuid4().hex}")


def base_names(catalog: LibraryCatalog) -> tuple[str, ...]:
    """What ``model`` may be for the model alone."""
    return ("default", catalog.config.model)


def reply(chat: Chat, answer: Answer) -> dict[str, Any]:
    """The completion as one object (:class:`rag.service.chat.replies.ChatReply`)."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text},
        "finish_reason": answer.finish_reason,
        "logprobs": None,
    }
    head = {"id": chat.chat_id, "object": "chat.completion", "created": int(time.time()), "model": chat.request.model}
    return {**head, "choices": [choice], "usage": _usage(answer), **_extras(chat, answer)}


def first_chunk(chat: Chat) -> dict[str, Any]:
    """The chunk that says who speaks."""
    return _chunk(chat, {"role": "assistant", "content": ""})


def chunk(chat: Chat, event: TokenEvent) -> dict[str, Any]:
    """A piece of the answer; with ``rag.trace`` its step too."""
    piece = _chunk(chat, {"content": event.text})
    return {**piece, "step": asdict(event.step)} if chat.request.rag.trace else piece


def last_chunks(chat: Chat, answer: Answer) -> list[dict[str, Any]]:
    """The end of a stream: the reason, usage and everything that only the whole answer has."""
    owed = [_chunk(chat, {"content": answer.unstreamed})] if answer.unstreamed else []
    options = chat.request.stream_options
    if options is not None and options.include_usage:
        usage_chunk = {**_chunk(chat, {}), "choices": [], "usage": _usage(answer)}
        return [*owed, _chunk(chat, {}, answer.finish_reason, **_extras(chat, answer)), usage_chunk]
    return [*owed, _chunk(chat, {}, answer.finish_reason, usage=_usage(answer), **_extras(chat, answer))]


def sse(data: Any) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode("utf-8", "replace")


def complete_timings(chat: Chat, answer: Answer) -> Answer:
    """The answer with its time on the way back (``deliver``), and the total by the clock."""
    now = time.perf_counter()
    stages = {stage: ms for stage, ms in answer.timings_ms.items() if stage not in ("total", _ANSWERED)}
    stages["deliver"] = (now - answer.timings_ms[_ANSWERED]) * 1e3
    return replace(answer, timings_ms={**stages, "total": (now - chat.started_s) * 1e3})


def _chunk(chat: Chat, delta: dict[str, Any], finish_reason: str | None = None, **extra: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    head = {"id": chat.chat_id, "object": "chat.completion.chunk", "created": int(time.time())}
    return {**head, "model": chat.request.model, "choices": [choice], **extra}


def _usage(answer: Answer) -> dict[str, int]:
    prompt, generated = answer.tokens.context_prompt, answer.tokens.generated
    return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}


def _extras(chat: Chat, answer: Answer) -> dict[str, Any]:
    """What the answer says beyond OpenAI's fields; later versions' new fields come along by themselves."""
    if not chat.request.rag.trace:
        answer = replace(answer, conflict=replace(answer.conflict, steps=()))
    extras = answer.to_dict()
    if not chat.request.rag.trace:
        del extras["conflict"]["steps"]
    for name in ("question", "text", "finish_reason"):
        del extras[name]
    extras["timings"] = extras.pop("timings_ms")
    return {**extras, "library": chat.library}


def _build_passage(number: int, item: RequestPassage) -> Passage:
    doc_id = item.doc_id or item.source or f"given-{number + 1}"
    passage_id = item.passage_id or f"{doc_id}:{number}"
    places = (item.location, item.heading, item.date)
    return Passage(passage_id, doc_id, item.source or doc_id, item.title, item.text, item.start, *places)
