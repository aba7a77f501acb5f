"""From what went wrong to an error object as OpenAI's clients know it, with the right status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rag.core.errors import (
    ConcordError,
    FormatError,
    InputError,
    LibraryError,
    ModelError,
    PatchError,
    QuestionError,
    SettingError,
    SkillError,
    SourceError,
    StorageError,
    UnavailableError,
)

logger = logging.getLogger("rag.service")
RETRY_AFTER_S = "5"
# The type of a validation error over a field that the service does not do (:mod:`rag.service.chat.fields`).
UNSUPPORTED = "unsupported"
# The most telling class first: an error is known by the first of these that it is an instance of.
_KINDS: tuple[tuple[type[ConcordError], int, str], ...] = (
    (UnavailableError, 503, "engine_unavailable"),
    (StorageError, 503, "storage_unavailable"),
    (ModelError, 503, "engine_unavailable"),
    (QuestionError, 400, "context_length_exceeded"),  # empty questions are refused before they get to the engine
    (SettingError, 400, "invalid_option"),
    (LibraryError, 409, "library_not_ready"),
    (PatchError, 409, "patch_not_ready"),
    (SkillError, 400, "invalid_skill"),
    (SourceError, 400, "invalid_file"),
    (InputError, 400, "invalid_input"),
)


class Problem(HTTPException):
    """A refusal by the service itself."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers=headers)
        self.code = code
        self.param = param


def as_problem(error: BaseException, root: Path) -> Problem:
    """Any error as a problem; an unexpected one is logged, and its text does not reach the client.

    Args:
        error: what went wrong.
        root: the service's folder; a client sees no path above its libraries.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _validation_problem(error)
    if isinstance(error, HTTPException):
        codes = {404: "not_found", 405: "method_not_allowed"}
        return Problem(
            error.status_code, codes.get(error.status_code, "bad_request"), str(error.detail), headers=error.headers
        )
    if isinstance(error, FormatError):
        return Problem(400, "unsupported_field", str(error), param="response_format")
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else None
            return Problem(status, code, _without_folder(str(error), root), headers=headers)
    logger.error("unexpected error", exc_info=error)
    return Problem(500, "internal_error", "the service failed; its log has the reason")


def _without_folder(message: str, root: Path) -> str:
    for folder in (root.resolve(), root):
        message = message.replace(f"{folder}/", "")
    return message


def error_body(problem: Problem) -> dict[str, Any]:
    """``{"error": {...}}``."""
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    default = "invalid_request_error" if problem.status_code < 500 else "server_error"
    # A message may quote the client's own text, in which half a surrogate pair is possible.
    message = str(problem.detail).encode("utf-8", "replace").decode()
    kind = kinds.get(problem.status_code, default)
    return {"error": {"message": message, "type": kind, "code": problem.code, "param": problem.param}}


def error_response(problem: Problem) -> JSONResponse:
    """The whole reply."""
    return JSONResponse(error_body(problem), problem.status_code, headers=dict(problem.headers or {}))


def install(app: FastAPI, root: Path) -> None:
    """Have every error of ``app`` answered in this form."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        return error_response(as_problem(error, root))

    for kind in (HTTPException, RequestValidationError, ConcordError, Exception):
        app.add_exception_handler(kind, handle)


def _validation_problem(error: RequestValidationError) -> Problem:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"] if part != "body"]
    param = ".".join(where) or None
    if first["type"] == "json_invalid":
        return Problem(400, "invalid_json", f"the body is not JSON: {first.get('ctx', {}).get('error', first['msg'])}")
    if first["type"] == "extra_forbidden":
        return Problem(400, "unknown_field", f"unknown field {param!r}; remove it", param=param)
    if first["type"] == UNSUPPORTED:
        return Problem(400, "unsupported_field", f"{param!r} {first['msg']}", param=param)
    message = f"{param or 'body'}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return Problem(400, "invalid_value", message, param=param)
