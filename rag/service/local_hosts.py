"""Refuse requests by a foreign host name to a service without keys."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LocalHosts:
    """ASGI middleware: the request's ``Host`` must be this machine's.

    A web page must not get in by its own name that resolves to this machine (DNS rebinding). Unlike Starlette's
    ``TrustedHostMiddleware``, it knows addresses of IPv6, which contain colons: ``[::1]:8080``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and host_name(Headers(scope=scope).get("host", "")) not in LOOPBACK:
            reply = PlainTextResponse("this service has no keys and answers to this machine's names only", 400)
            await reply(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_name(host: str) -> str:
    """A ``Host`` header without its port: ``[::1]:8080`` is ``::1``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] or host if host.count(":") == 1 else host
