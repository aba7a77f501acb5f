"""``/mcp``: the caller's libraries for agents, over the Model Context Protocol.

Every request stands alone, so any process of a service may answer it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from mcp.server.context import ServerRequestContext
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from rag.engine import Engine
from rag.mcp.desk import NewDocument
from rag.mcp.server import Server
from rag.service.jobs.store import Upload
from rag.service.problems import Problem, error_response
from rag.service.routes.access import Allow, Caller
from rag.service.state import State

T = TypeVar("T")
PATH = "/mcp"
_ADD_S = 600.0


class Agents:
    """The ASGI application at ``/mcp``; :meth:`running` must be entered before its first request."""

    def __init__(self, state: State) -> None:
        self._state = state
        server = Server(_find_desk)
        server.streamable_http_app(
            stateless_http=True,
            json_response=True,
            max_request_body_size=state.settings.max_body_bytes,
            # Hosts and origins are checked for all routes, before this one.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._manager = server.session_manager

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer requests while the block runs."""
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request by a caller who may read."""
        request = Request(scope)
        try:
            request.state.caller = await Allow("read").admit(request)
        except Problem as problem:
            await error_response(problem)(scope, receive, send)
            return
        await self._manager.handle_request(scope, receive, send)


def _find_desk(ctx: ServerRequestContext[Any, Any]) -> CallerDesk:
    assert ctx.request is not None  # it came over HTTP
    return CallerDesk(ctx.request.state.caller)


def mount_agents(app: FastAPI, state: State) -> Agents:
    """Serve ``/mcp``."""
    agents = Agents(state)
    app.router.routes.append(Route(PATH, endpoint=agents, include_in_schema=False))
    return agents


class CallerDesk:
    """The libraries of the caller of a service (:class:`rag.mcp.desk.Desk`)."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def libraries(self) -> list[str]:
        """See :class:`rag.mcp.desk.Desk`."""
        return self._caller.state.catalog.names(self._caller.key.tenant)

    def engine(self, library: str) -> Engine:
        """See :class:`rag.mcp.desk.Desk`."""
        return self._caller.state.catalog.engine(self._caller.key.tenant, library)

    def check_write(self) -> None:
        """See :class:`rag.mcp.desk.Desk`."""
        if not self._caller.key.allows("write"):
            raise Problem(403, "insufficient_scope", "this key may not add documents; that needs one with write")

    def add(self, library: str, documents: Sequence[NewDocument]) -> dict[str, Any]:
        """See :class:`rag.mcp.desk.Desk`."""
        uploads = [Upload(one.source, ".txt", one.text.encode(), one.title) for one in documents]
        jobs, tenant = self._caller.state.jobs, self._caller.key.tenant
        job = jobs.wait(tenant, jobs.add(tenant, library, uploads).id, _ADD_S)
        if job.report is None:
            raise Problem(409, "job_failed", job.error or f"the job {job.id} is still under way")
        return job.report.model_dump(include={"added", "replaced", "unchanged", "failed"})

    async def run(self, task: Callable[[], T]) -> T:
        """See :class:`rag.mcp.desk.Desk`. It counts as one question at once, as a chat does."""
        return await asyncio.wrap_future(self._caller.state.workers.submit(self._caller.key.key_id, task))
