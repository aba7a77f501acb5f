"""Fields of OpenAI's chat that this service does not do. A value that asks for nothing is accepted, others are not.

Clients send such fields as a matter of course: ``tools: []``, ``response_format: {"type": "text"}``, a whole message
as they got it. None of that asks for anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from rag.service.problems import UNSUPPORTED

_NOTHING: tuple[Any, ...] = (None, False, "", [], {})


@dataclass(frozen=True)
class Only:
    """Metadata of a field that takes null and ``allowed``, and means nothing then: its value is always ``None``."""

    allowed: tuple[Any, ...]
    meaning: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, core_schema.any_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": [None, *self.allowed], "description": self.meaning}

    def _check(self, value: Any) -> None:
        if value is not None and value not in self.allowed:
            expected = " or ".join(map(json.dumps, (None, *self.allowed)))
            raise PydanticCustomError(UNSUPPORTED, "is not supported; expected {expected}", {"expected": expected})


def only(*allowed: Any, meaning: str) -> Only:
    """A field that takes null and ``allowed`` (:class:`Only`)."""
    return Only(allowed, meaning)


def check_extra(extra: Mapping[str, Any]) -> None:
    """Let keys of a message pass that ask for nothing.

    Raises:
        PydanticCustomError: one that does.
    """
    for name, value in extra.items():
        if value not in _NOTHING:
            message = "has the field '{name}', which is not supported; leave it out"
            raise PydanticCustomError(UNSUPPORTED, message, {"name": name})


def check_content(content: Any) -> Any:
    """Name the part of a message that is not text.

    Raises:
        PydanticCustomError: there is one.
    """
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind not in ("text", "refusal"):
            message = "has a part of type '{kind}', which is not supported; expected text"
            raise PydanticCustomError(UNSUPPORTED, message, {"kind": kind[:40]})
    return content
