"""Whom an agent's tools ask: one engine, or a service on behalf of one caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from langchain_core.documents import Document
from pydantic import BaseModel, ConfigDict, Field

from rag.core.errors import InputError
from rag.engine import Engine

T = TypeVar("T")
MAX_TEXT_CHARS = 2_000_000


class NewDocument(BaseModel):
    """A text to add."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str = Field(min_length=1, max_length=500, description="What citations show; the same one replaces it.")
    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS)
    title: str = Field("", max_length=500)


class Desk(Protocol):
    """The libraries of one caller, and what it may do with them."""

    def libraries(self) -> list[str]:
        """Their names."""
        ...

    def engine(self, library: str) -> Engine:
        """The engine over one of them.

        Raises:
            ConcordError: there is none of this name.
        """
        ...

    def check_write(self) -> None:
        """Return if the caller may change a library.

        Raises:
            ConcordError: it may not.
        """
        ...

    def add(self, library: str, documents: Sequence[NewDocument]) -> dict[str, Any]:
        """Add texts; returns when they are in the library: names of sources by outcome."""
        ...

    async def run(self, task: Callable[[], T]) -> T:
        """Run what takes long in a thread."""
        ...


class EngineDesk:
    """One library of this process.

    Args:
        engine: over the library.
        name: how the tools name the library.
        is_read_only: nothing can be added.
    """

    def __init__(self, engine: Engine, name: str, *, is_read_only: bool = False) -> None:
        self._engine = engine
        self._name = name
        self._is_read_only = is_read_only

    def libraries(self) -> list[str]:
        """See :class:`Desk`."""
        return [self._name]

    def engine(self, library: str) -> Engine:
        """See :class:`Desk`."""
        if library != self._name:
            raise InputError(f"there is no library {library[:80]!r}; this server has {self._name!r} alone")
        return self._engine

    def check_write(self) -> None:
        """See :class:`Desk`."""
        if self._is_read_only:
            raise InputError("this server was started with --read-only; nothing can be added")

    def add(self, library: str, documents: Sequence[NewDocument]) -> dict[str, Any]:
        """See :class:`Desk`."""
        self.check_write()
        items = [Document(one.text, metadata={"source": one.source, "title": one.title}) for one in documents]
        report = asdict(self.engine(library).add(items))
        return {name: report[name] for name in ("added", "replaced", "unchanged", "failed")}

    async def run(self, task: Callable[[], T]) -> T:
        """See :class:`Desk`."""
        return await asyncio.to_thread(task)
