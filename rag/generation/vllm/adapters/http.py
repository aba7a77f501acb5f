"""Adapters in vLLM's server.

    GET  /v1/concord/adapters             what the server takes (AdapterLimits)
    PUT  /v1/concord/adapters/{digest}    a part as a safetensors file; its tenant in X-Concord-Salt
    POST /v1/completions                  names the adapter of a prompt in vllm_xargs (Recipe)

A request whose parts are missing gets an error that lists them. vLLM's own list of adapters, which only grows and is
everyone's, is not used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import asdict
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rag.generation.vllm.adapters.engine import EngineAdapters
from rag.generation.vllm.adapters.recipe import KEY, PATH, SALT_HEADER, AdapterRefused, Recipe

_MAX_BYTES = 2**30
_ADAPTERS: WeakKeyDictionary[Any, EngineAdapters] = WeakKeyDictionary()

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AdapterRoutes:
    """The class to name as ``--middleware``. It adds the routes when the server starts, behind the server's keys."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app
        run_named_adapters()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            scope["app"].router.add_route(PATH, _describe, methods=["GET"])
            scope["app"].router.add_route(PATH + "/{digest}", _put, methods=["PUT"])
        await self._app(scope, receive, send)


def run_named_adapters() -> None:
    """From now on every vLLM engine of this process runs a request with the adapter that it names."""
    from decoders.vllm_plugin.compat import AsyncLLM

    if getattr(AsyncLLM.generate, "is_concord", False):
        return
    generate = AsyncLLM.generate

    @wraps(generate)
    def generate_with_adapter(
        self: Any, prompt: Any, sampling_params: Any, request_id: str, **options: Any
    ) -> AsyncGenerator[Any, None]:
        if KEY not in (getattr(sampling_params, "extra_args", None) or {}):
            return generate(self, prompt, sampling_params, request_id, **options)
        return _generate_held(self, prompt, sampling_params, request_id, options)

    async def _generate_held(
        engine: Any, prompt: Any, sampling_params: Any, request_id: str, options: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        recipe = Recipe.from_extra_args(sampling_params.extra_args)
        assert recipe is not None
        async with find_adapters(engine).hold(recipe) as lora_request:
            options = options | {"lora_request": lora_request}
            async with aclosing(generate(engine, prompt, sampling_params, request_id, **options)) as outputs:
                async for output in outputs:
                    yield output

    generate_with_adapter.is_concord = True  # type: ignore[attr-defined]
    AsyncLLM.generate = generate_with_adapter  # type: ignore[method-assign,assignment]


def find_adapters(engine: Any) -> EngineAdapters:
    """The adapters of an engine, the same object for each call."""
    if engine not in _ADAPTERS:
        _ADAPTERS[engine] = EngineAdapters(engine)
    return _ADAPTERS[engine]


async def _describe(request: Request) -> Response:
    try:
        return JSONResponse(asdict(await find_adapters(request.app.state.engine_client).limits()))
    except AdapterRefused as error:
        return _refuse(400, str(error))


async def _put(request: Request) -> Response:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > _MAX_BYTES:
            return _refuse(413, f"an adapter takes at most {_MAX_BYTES >> 20} MiB")
    adapters = find_adapters(request.app.state.engine_client)
    try:
        await adapters.put(request.path_params["digest"], request.headers.get(SALT_HEADER, ""), bytes(content))
    except AdapterRefused as error:
        return _refuse(400, str(error))
    return Response(status_code=204)


def _refuse(status: int, reason: str) -> Response:
    return JSONResponse(
        {"error": {"message": reason, "type": "BadRequestError", "param": None, "code": status}}, status
    )
