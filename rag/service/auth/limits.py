"""How much one client may ask for: requests per minute, bytes per body, and how slowly it may send them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.service.problems import Problem, error_response

# A body that comes more slowly than this is held open on purpose, or will never be of use.
_BYTES_PER_S = 1000


class Rate(Protocol):
    """Counts the requests of each client.

    Attributes:
        is_remote: whether a check waits for a database.
    """

    is_remote: bool

    def check(self, client: str) -> None:
        """Count one request.

        Raises:
            Problem: 429, with the seconds to wait.
        """
        ...


class RateLimit:
    """A token bucket per client: ``per_minute`` on average, as many at once after a quiet minute.

    It counts for one process. :class:`rag.service.auth.shared_rate.SharedRate` counts for all.
    """

    is_remote = False

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
    """ASGI middleware: refuses a body that is too large as soon as that is known, and one that comes too slowly.

    Args:
        body_bytes: largest body.
        upload_bytes: largest body that adds documents.
        patience_s: longest wait for a body; each kilobyte that has come adds a second to it.
    """

    def __init__(self, app: ASGIApp, body_bytes: int, upload_bytes: int, patience_s: float) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._upload_bytes = upload_bytes
        self._patience_s = patience_s

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
        await self._app(scope, _Body(receive, limit, problem, self._patience_s).receive, send)


class _Body:
    """A body on its way: counted, and timed until it is there."""

    def __init__(self, receive: Receive, limit: int, problem: Problem, patience_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._problem = problem
        self._patience_s = patience_s
        self._started_s: float | None = None
        self._num_bytes = 0
        self._is_complete = False

    async def receive(self) -> Message:
        """The next message.

        Raises:
            Problem: 413, too many bytes; 408, too few of them in the time.
        """
        if self._is_complete:  # what comes now is the end of the connection, which may take as long as it likes
            return await self._receive()
        message = await self._in_time()
        self._num_bytes += len(message.get("body", b""))
        if self._num_bytes > self._limit:
            raise self._problem
        self._is_complete = not message.get("more_body", False)
        return message

    async def _in_time(self) -> Message:
        now = time.monotonic()
        self._started_s = self._started_s or now
        left_s = self._started_s + self._patience_s + self._num_bytes / _BYTES_PER_S - now
        try:
            return await asyncio.wait_for(self._receive(), left_s)
        except TimeoutError:
            message = "the body came too slowly; send it again over a faster connection, or in parts"
            raise Problem(408, "body_timeout", message, headers={"Connection": "close"}) from None
