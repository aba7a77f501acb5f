"""Concord: answers from your documents, and sees when they disagree with the model.

from rag import Engine
answer = Engine.open("library/").ask("Who runs the harbour?")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.config import Config
    from rag.engine import Engine
    from rag.errors import ConcordError
    from rag.types import Answer, Citation, Conflict, Message, Passage, TokenEvent

__all__ = ["Answer", "Citation", "ConcordError", "Config", "Conflict", "Engine", "Message", "Passage", "TokenEvent"]
__version__ = "0.1.0"

_HOMES = {
    "Config": "rag.config",
    "ConcordError": "rag.errors",
    "Engine": "rag.engine",
    **dict.fromkeys(("Answer", "Citation", "Conflict", "Message", "Passage", "TokenEvent"), "rag.types"),
}


def __getattr__(name: str) -> Any:
    # Names are imported when first used: "import rag" must not wait for the model libraries.
    if name not in _HOMES:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
