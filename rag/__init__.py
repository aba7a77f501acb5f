"""Concord: answers from your documents, and sees when they disagree with the model.

from rag import Engine
answer = Engine.open("library/").ask("Who runs the harbour?")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.core.answer import Answer, Citation, Conflict, TokenEvent
    from rag.core.errors import ConcordError
    from rag.core.passages import Passage
    from rag.core.query import Message
    from rag.core.settings.config import Config
    from rag.engine import Engine

__all__ = ["Answer", "Citation", "ConcordError", "Config", "Conflict", "Engine", "Message", "Passage", "TokenEvent"]
__version__ = "0.2.0"

_HOMES = {
    "Config": "rag.core.settings.config",
    "ConcordError": "rag.core.errors",
    "Engine": "rag.engine",
    "Message": "rag.core.query",
    "Passage": "rag.core.passages",
    **dict.fromkeys(("Answer", "Citation", "Conflict", "TokenEvent"), "rag.core.answer"),
}


def __getattr__(name: str) -> Any:
    # Names are imported when first used: "import rag" must not wait for the model libraries.
    if name not in _HOMES:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
