"""Whether the service is well: for probes, balancers and Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rag.service.problems import RETRY_AFTER_S
from rag.service.routes.access import Allow, Caller, CheckedRoute
from rag.service.state import State

router = APIRouter(tags=["health"], route_class=CheckedRoute)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """A question would be answered now: models are loaded, and database and model server answer."""
    state: State = request.app.state.concord
    verdict = await state.readiness.check()
    if verdict.is_ready:
        return JSONResponse({"status": verdict.status})
    reply = {"status": verdict.status, "reason": verdict.reason}
    return JSONResponse(reply, 503, headers={"Retry-After": RETRY_AFTER_S})


@router.get("/metrics", response_class=Response)
async def metrics(caller: Annotated[Caller, Depends(Allow("metrics"))]) -> Response:
    """Prometheus metrics; they name no tenant and hold no text. Keys need the scope ``metrics``."""
    return Response(generate_latest(caller.state.telemetry.registry), media_type=CONTENT_TYPE_LATEST)
