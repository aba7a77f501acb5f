"""Who is asking: the key of a request, and what it may do. It is known before a byte of the body is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from rag.core.errors import SettingError
from rag.service.auth.keys import LOCAL_KEY, Key, Scope
from rag.service.problems import Problem
from rag.service.state import State

logger = logging.getLogger("rag.service")
_bearer = HTTPBearer(auto_error=False, description="An API key: 'concord keys add' makes one.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


@dataclass(frozen=True)
class Caller:
    """A request's key, and the service it came to."""

    key: Key
    state: State


class Allow:
    """A dependency that lets only keys with ``scope`` through; its routes are :class:`CheckedRoute`."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, credentials: Credentials) -> Caller:
        """The caller, whom :class:`CheckedRoute` has let in."""
        caller: Caller = request.state.caller
        return caller

    async def admit(self, request: Request) -> Caller:
        """Check the key and count the request.

        Raises:
            Problem: 401, no key or an unknown one; 403, one without the scope; 429, too many requests.
        """
        state: State = request.app.state.concord
        credentials = await _bearer(request)
        caller = check_key(state, credentials.credentials if credentials else None, self.scope)
        request.state.log_fields |= {"tenant": caller.key.tenant, "key_id": caller.key.key_id}
        if state.rate.is_remote:
            await run_in_threadpool(state.rate.check, caller.key.key_id)
        else:
            state.rate.check(caller.key.key_id)
        return caller


class CheckedRoute(APIRoute):
    """A route that knows who is asking before it reads the body: a stranger's upload is never stored."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the check of the route's :class:`Allow`."""
        handle = super().get_route_handler()
        checks = [one.call for one in self.dependant.dependencies if isinstance(one.call, Allow)]

        async def handle_checked(request: Request) -> Response:
            for check in checks:
                request.state.caller = await check.admit(request)
            return await handle(request)

        return handle_checked


def check_key(state: State, secret: str | None, scope: Scope) -> Caller:
    """The caller with this secret.

    Raises:
        Problem: 401, no key or an unknown one; 403, one without the scope; 503, the keys cannot be read.
    """
    key = _key(state, secret)
    if not key.allows(scope):
        message = f"this key has {', '.join(key.scopes)}; this needs a key with {scope}"
        raise Problem(403, "insufficient_scope", message)
    return Caller(key, state)


def _key(state: State, secret: str | None) -> Key:
    if state.keys is None:
        return LOCAL_KEY
    try:
        key = state.keys.find(secret) if secret else None
    except SettingError as error:
        logger.error("keys cannot be checked: %s", error)  # its path is the operator's to know, not a stranger's
        message = "keys cannot be checked at present; tell the people who run this service"
        raise Problem(503, "keys_unavailable", message, headers={"Retry-After": "30"}) from error
    if key is None:
        message = "the API key is unknown" if secret else "there is no API key; send 'Authorization: Bearer KEY'"
        raise Problem(401, "invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})
    return key
