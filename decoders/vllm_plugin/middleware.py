"""ASGI middleware for vLLM's server that refuses beam search over a pair, and over a prompt with an adapter of ours.

Beam search drops a request's extra arguments, so that it would look like an ordinary request.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# How the names of our extra arguments begin.
_OURS = "concord"
_REASON = "beam search does not work with a pair of prompts, nor with patches; leave use_beam_search out"


class RefuseBeams:
    """The class to name as ``--middleware``; it passes every other request on unchanged."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not str(scope["path"]).endswith("/completions"):
            return await self._app(scope, receive, send)
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        if _is_beam_of_ours(b"".join(message.get("body", b"") for message in messages)):
            return await _refuse(send)

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        return await self._app(scope, replay, send)


def _is_beam_of_ours(body: bytes) -> bool:
    if b"use_beam_search" not in body or _OURS.encode() not in body:
        return False
    try:
        value = json.loads(body)
    except ValueError:
        return False
    if not isinstance(value, dict) or not value.get("use_beam_search"):
        return False
    return any(name.startswith(_OURS) for name in value.get("vllm_xargs") or {})


async def _refuse(send: Send) -> None:
    body = json.dumps({"error": {"message": _REASON, "type": "BadRequestError", "param": None, "code": 400}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
