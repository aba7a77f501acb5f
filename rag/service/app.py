"""The service as an ASGI application: the routes, what stands before them, and its beginning and end."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag import __version__
from rag.core.encoding import Encoder
from rag.core.settings.config import Config
from rag.generation.base import Generator
from rag.service import problems
from rag.service.agents import mount_agents
from rag.service.auth.hosts import LOOPBACK, KnownHosts
from rag.service.auth.limits import BodyLimit
from rag.service.auth.origins import KnownOrigins
from rag.service.routes import chat as routes_chat
from rag.service.routes import health as routes_health
from rag.service.routes import libraries as routes_libraries
from rag.service.routes import patches as routes_patches
from rag.service.routes import skills as routes_skills
from rag.service.routes import survey as routes_survey
from rag.service.schemas import ErrorReply
from rag.service.settings import ServiceSettings
from rag.service.state import State
from rag.service.telemetry import Telemetry, trace_fields
from rag.service.web import mount_page

logger = logging.getLogger("rag.service")
_RESUME_S = 30.0
_ERRORS = (400, 401, 403, 404, 409, 413, 429, 500, 503, 504)


def create_app(
    settings: ServiceSettings, config: Config, load: Callable[[], Generator], encoder: Encoder | None = None
) -> FastAPI:
    """The application.

    Args:
        settings: the service's settings.
        config: the engines' settings.
        load: loads the generator; called again later when it fails.
        encoder: replaces the configured one.
    """
    state = State(settings, config, load, encoder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=state.readiness.warm_up, name="warm", daemon=True).start()
        resuming = asyncio.create_task(_resume(state))
        async with agents.running():
            yield
        resuming.cancel()
        await asyncio.to_thread(state.close)

    app = FastAPI(
        title="Concord",
        version=__version__,
        description="Answers from your documents, and shows where they disagree with the model's own memory.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads scripts from a foreign host; rag.service.web has one of our own
        redoc_url=None,
        responses={status: {"model": ErrorReply} for status in _ERRORS},
    )
    app.state.concord = state
    problems.install(app, settings.root)
    for routes in (routes_chat, routes_libraries, routes_patches, routes_skills, routes_survey, routes_health):
        app.include_router(routes.router)
    agents = mount_agents(app, state)
    mount_page(app)
    _add_middleware(app, settings, state.telemetry)
    return app


def _add_middleware(app: FastAPI, settings: ServiceSettings, telemetry: Telemetry) -> None:
    """What every request passes before a route; the last one added is the first."""
    app.add_middleware(
        BodyLimit,
        body_bytes=settings.max_body_bytes,
        upload_bytes=settings.max_upload_bytes,
        patience_s=settings.body_timeout_s,
    )
    app.add_middleware(KnownOrigins, origins=settings.origins)
    hosts = settings.hosts or (LOOPBACK if settings.keys is None else ())
    if hosts:
        app.add_middleware(KnownHosts, names=hosts)
    app.add_middleware(RequestLog, telemetry=telemetry)


class RequestLog:
    """ASGI middleware: an id and a start time for every request; at its end one line of log and its metrics."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        started_s, request_id, status = time.perf_counter(), uuid.uuid4().hex, 500
        parent = self._telemetry.parent(request.headers)
        request.state.started_s, request.state.log_fields, request.state.parent = (
            started_s,
            trace_fields(parent),
            parent,
        )

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            elapsed_s = time.perf_counter() - started_s
            route = getattr(scope.get("route"), "path", "unknown")
            self._telemetry.requests.labels(scope["method"], route, str(status)).inc()
            self._telemetry.seconds.labels(route).observe(elapsed_s)
            about = {"request_id": request_id, "method": scope["method"], "route": route, "status": status}
            fields = {**about, "elapsed_ms": round(elapsed_s * 1e3, 1), **request.state.log_fields}
            logger.info("request", extra={"fields": fields})


async def _resume(state: State) -> None:
    """Take up jobs that a killed process has left, now and from time to time."""
    while True:
        try:
            await asyncio.to_thread(state.jobs.resume)
        except Exception:  # whatever lies in that folder: without this task no job would ever be taken up again
            logger.exception("jobs cannot be taken up at present")
        await asyncio.sleep(_RESUME_S)
