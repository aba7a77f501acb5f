"""Who is calling: the key of a request, checked against what the route needs and against the rate limit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

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


def allow(scope: Scope) -> Callable[..., Caller]:
    """A dependency that lets only keys with ``scope`` through."""

    async def caller(request: Request, credentials: Credentials) -> Caller:
        state: State = request.app.state.concord
        key = _key(state, credentials)
        request.state.log_fields |= {"tenant": key.tenant, "key_id": key.key_id}
        state.rate.check(key.key_id)
        if not key.allows(scope):
            message = f"this key has {', '.join(key.scopes)}; this needs a key with {scope}"
            raise Problem(403, "insufficient_scope", message)
        return Caller(key, state)

    return caller  # type: ignore[return-value]  # FastAPI awaits it


def _key(state: State, credentials: HTTPAuthorizationCredentials | None) -> Key:
    if state.keys is None:
        return LOCAL_KEY
    try:
        key = state.keys.find(credentials.credentials) if credentials else None
    except SettingError as error:
        logger.error("keys cannot be checked: %s", error)  # its path is the operator's to know, not a stranger's
        message = "keys cannot be checked at present; tell the people who run this service"
        raise Problem(503, "keys_unavailable", message, headers={"Retry-After": "30"}) from error
    if key is None:
        message = "the API key is unknown" if credentials else "there is no API key; send 'Authorization: Bearer KEY'"
        raise Problem(401, "invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})
    return key
