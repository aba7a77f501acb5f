"""A chat under way: it ends early when its client leaves or its time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from fastapi import Request
from opentelemetry.context import Context

from rag.core.answer import Answer, TokenEvent
from rag.core.errors import UnavailableError
from rag.generation.cancel import Cancellation
from rag.service.chat.bridge import iterate
from rag.service.chat.chat import Chat, complete_timings
from rag.service.problems import Problem
from rag.service.state import State
from rag.service.telemetry import now_ns

_CLIENT_LEFT = 499  # no client reads it; the log has it


async def run(chat: Chat, state: State, request: Request) -> AsyncGenerator[TokenEvent | Answer, None]:
    """The events of ``chat``; the engine stops as soon as the client leaves, or the reader of this does.

    Raises:
        Problem: 429, too many questions at once; 504, too slow; 499, the client has left.
    """
    telemetry, timeout_s = state.telemetry, state.settings.chat_timeout_s
    submit = partial(state.workers.submit, chat.key.key_id)
    cancellation, cause = Cancellation(), ""

    def stop(why: str) -> None:
        nonlocal cause
        cause = why
        cancellation.cancel()

    leaving = asyncio.create_task(_when_left(request, lambda: stop("left")))
    timer = asyncio.get_running_loop().call_later(timeout_s, stop, "late")
    num_events = 0
    is_answered = has_left = False
    try:
        async with aclosing(iterate(submit, lambda: chat.events(state.catalog), cancellation)) as events:
            async for event in events:
                if not num_events:
                    telemetry.first_token.observe(time.perf_counter() - chat.started_s)
                num_events += 1
                is_answered = isinstance(event, Answer)
                yield _measured(chat, state, event, request.state.parent)
    except UnavailableError:
        has_left = cause == "left"
        if cause == "late":
            message = f"the answer took longer than {timeout_s:g} s; ask for fewer tokens"
            raise Problem(504, "timeout", message) from None
        if cause == "left":
            raise Problem(_CLIENT_LEFT, "client_left", "the client has left") from None
        raise
    except (GeneratorExit, asyncio.CancelledError):  # the server stopped reading, because the client has gone
        has_left = not is_answered
        raise
    else:
        has_left = not is_answered  # it was stopped between two tokens
    finally:
        telemetry.cancelled.inc(has_left)
        timer.cancel()
        leaving.cancel()


def _measured(chat: Chat, state: State, event: TokenEvent | Answer, parent: Context) -> TokenEvent | Answer:
    if isinstance(event, TokenEvent):
        return event
    answer = complete_timings(chat, event)
    total_ms = answer.timings_ms["total"]
    state.telemetry.answered(answer, answer.timings_ms, now_ns() - int(total_ms * 1e6), parent)
    return answer


async def _when_left(request: Request, stop: Callable[[], None]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    stop()
