"""Chat completions, and the models that they may name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from rag.core.answer import Answer, TokenEvent
from rag.service.chat.ahead import Ahead
from rag.service.chat.chat import Chat, base_names, chunk, first_chunk, last_chunks, open_chat, reply, sse
from rag.service.chat.replies import ChatReply
from rag.service.chat.running import run
from rag.service.chat.schemas import ChatRequest
from rag.service.problems import Problem, as_problem, error_body
from rag.service.routes.access import Allow, Caller, CheckedRoute
from rag.service.schemas import Model, ModelList

router = APIRouter(prefix="/v1", tags=["chat"], route_class=CheckedRoute)
Reader = Annotated[Caller, Depends(Allow("read"))]
Events = Ahead[TokenEvent | Answer]
_FIRST_S = 0.1
# Proxies close a connection over which nothing comes, often after a minute.
_KEEP_ALIVE_S = 10.0
_AS_STREAM: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}


@router.get("/models")
async def models(caller: Reader) -> ModelList:
    """The base model and the caller's libraries: whatever ``model`` of a chat may name."""
    catalog = caller.state.catalog
    names = await run_in_threadpool(catalog.names, caller.key.tenant)
    base = Model(id=catalog.config.model, kind="base")
    return ModelList(data=[base, *(Model(id=name, kind="library") for name in names)])


@router.get("/models/{model_id:path}")
async def model(model_id: str, caller: Reader) -> Model:
    """One of the models: the base model, or a library of the caller."""
    for known in (await models(caller)).data:
        if model_id == known.id or (known.kind == "base" and model_id in base_names(caller.state.catalog)):
            return known
    message = f"there is no model {model_id[:80]!r}; GET /v1/models lists what there is"
    raise Problem(404, "model_not_found", message, param="model")


@router.post(
    "/chat/completions",
    response_model=ChatReply,
    responses={200: {"content": _AS_STREAM, "description": "A completion, or with 'stream' its chunks."}},
)
async def chat_completions(body: ChatRequest, request: Request, caller: Reader) -> Response:
    """Answer the last message from a library's documents, and say where they disagree with the model's memory."""
    state = caller.state
    chat = await run_in_threadpool(open_chat, body, caller.key, state.catalog, request.state.started_s)
    request.state.log_fields |= {"library": chat.library, "is_stream": body.stream}
    if state.settings.has_texts_in_logs:
        request.state.log_fields["question"] = chat.question
    events = run(chat, state, request)
    if body.stream:
        ahead: Events = Ahead(events)
        # A refusal comes at once, and must have its own status. Whatever takes longer happens under the client's eyes.
        await ahead.wait(_FIRST_S)
        return _EventStream(_pieces(chat, ahead, state.catalog.root), ahead)
    async with aclosing(events):
        answer = [event async for event in events][-1]
    assert isinstance(answer, Answer)
    return JSONResponse(reply(chat, answer), headers=_timing_header(answer))


class _EventStream(StreamingResponse):
    """Closes the chat's events however the reply ends."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[bytes], ahead: Events) -> None:
        super().__init__(pieces, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._ahead = ahead

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._ahead.close()


async def _pieces(chat: Chat, ahead: Events, root: Path) -> AsyncIterator[bytes]:
    yield sse(first_chunk(chat))
    try:
        while True:
            while not await ahead.wait(_KEEP_ALIVE_S):
                yield b": still at it\n\n"
            event = await ahead.take()
            if event is None:
                break
            for piece in _event_chunks(chat, event):
                yield piece
    except Exception as error:  # the status is sent already: the stream itself has to say so
        yield sse(error_body(as_problem(error, root)))
    yield sse("[DONE]")


def _event_chunks(chat: Chat, event: TokenEvent | Answer) -> list[bytes]:
    if isinstance(event, TokenEvent):
        return [sse(chunk(chat, event))]
    return [sse(piece) for piece in last_chunks(chat, event)]


def _timing_header(answer: Answer) -> dict[str, str]:
    stages = ", ".join(f"{stage};dur={ms:.1f}" for stage, ms in answer.timings_ms.items())
    return {"Server-Timing": stages}
