"""Fields of OpenAI's chat that this service does not do. A value that asks for nothing is accepted, others are not.

Clients send such fields as a matter of course: ``tools: []``, ``response_format: {"type": "text"}``, a whole message
as they got it. None of that asks for anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from rag.service.problems import UNSUPPORTED

_NOTHING: tuple[Any, ...] = (None, False, "", [], {})


def only(*allowed: Any, meaning: str) -> Any:
    """The type of a field that takes null and ``allowed``, and means nothing then: its value is always ``None``."""
    expected = " or ".join(["null", *(repr(value).replace("'", '"') for value in allowed)])

    def check(value: Any) -> None:
        if value is not None and value not in allowed:
            raise PydanticCustomError(UNSUPPORTED, "is not supported; expected {expected}", {"expected": expected})

    return Annotated[Any, AfterValidator(check), Field(description=f"{meaning} Takes {expected}.")]


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
