"""How much one client may ask for: requests per minute, bytes per body."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.service.problems import Problem, error_response


class RateLimit:
    """A token bucket per client: ``per_minute`` on average, as many at once after a quiet minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._size = float(per_minute)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def check(self, client: str) -> None:
        """Count one request.

        Raises:
            Problem: 429, with the seconds to wait.
        """
        now = self._clock()
        level, since = self._buckets.get(client, (self._size, now))
        level = min(self._size, level + (now - since) * self._rate)
        if level < 1:
            raise too_many("requests in a minute", math.ceil((1 - level) / self._rate))
        self._buckets[client] = (level - 1, now)


def too_many(what: str, wait_s: int) -> Problem:
    """The refusal of a client that asks for too much."""
    message = f"too many {what}; wait {wait_s} s and try again"
    return Problem(429, "rate_limit_exceeded", message, headers={"Retry-After": str(wait_s)})


class BodyLimit:
    """ASGI middleware: refuses a body as soon as it is known to be too large, before it is stored."""

    def __init__(self, app: ASGIApp, body_bytes: int, upload_bytes: int) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_upload = scope["path"].endswith(("/files", "/documents"))
        limit = self._upload_bytes if is_upload else self._body_bytes
        problem = Problem(413, "body_too_large", f"the body is larger than {limit} bytes; send it in parts")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await error_response(problem)(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit, problem), send)


def _counted(receive: Receive, limit: int, problem: Problem) -> Any:
    num_bytes = 0

    async def counted() -> Message:
        nonlocal num_bytes
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > limit:
            raise problem
        return message

    return counted
