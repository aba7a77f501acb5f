"""Refuse what a foreign web page has a visitor's browser send.

A browser sends a form to any address, and this machine's own address is one of them: without this, a page on the web
could plant documents in a service that needs no key. Browsers say where a request comes from, in headers that no page
can set. Programs such as curl and the SDKs send neither header and are not refused.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.service.problems import Problem, error_response

_READING = ("GET", "HEAD", "OPTIONS")


class KnownOrigins:
    """ASGI middleware: a request that may change something must not come from a foreign page: 403.

    Args:
        origins: pages of other addresses that may write too, such as ``https://papers.example``.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READING and self._is_foreign(Headers(scope=scope)):
            message = "a page of another address sent this; open this service's own page, or send no Origin"
            await error_response(Problem(403, "foreign_origin", message))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_foreign(self, headers: Headers) -> bool:
        """``Sec-Fetch-Site`` decides where there is one: it holds behind a proxy that changes ``Host`` too."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._origins:
            return False
        if site is not None:
            return site not in ("same-origin", "none")
        return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
