"""Refuse requests by a host name that is not this service's."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.service.problems import Problem, error_response

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class KnownHosts:
    """ASGI middleware: the request's ``Host`` must be one of ``names``.

    A web page must not get in by its own name that resolves to this machine (DNS rebinding). Unlike Starlette's
    ``TrustedHostMiddleware``, it knows addresses of IPv6, which contain colons: ``[::1]:8080``.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and host_name(Headers(scope=scope).get("host", "")).lower() not in self._names:
            message = f"this service answers to the names {', '.join(sorted(self._names))}; use one of them"
            await error_response(Problem(400, "unknown_host", message))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_name(host: str) -> str:
    """A ``Host`` header without its port: ``[::1]:8080`` is ``::1``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] or host if host.count(":") == 1 else host
