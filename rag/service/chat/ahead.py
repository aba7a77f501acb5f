"""Look at an asynchronous iterator without waiting for it longer than one likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class _End(Enum):
    END = 0


class Ahead(Generic[T]):
    """Asks ``events`` for the next item ahead of time, so that its reader can do something else meanwhile."""

    def __init__(self, events: AsyncGenerator[T, None]) -> None:
        self._events = events
        self._next: asyncio.Task[T | _End] | None = None

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next item, but not longer than this; whether it is there.

        Raises:
            Exception: what the iterator raises in place of the item.
        """
        task = self._task()
        await asyncio.wait((task,), timeout=timeout_s)
        if task.done():
            task.result()
        return task.done()

    async def take(self) -> T | None:
        """The next item; ``None`` at the end."""
        item = await self._task()
        self._next = None
        return None if isinstance(item, _End) else item

    async def close(self) -> None:
        """Stop the iterator, whatever it is at."""
        if self._next is not None:
            self._next.cancel()
            with suppress(asyncio.CancelledError, Exception):  # no reader is left
                await self._next
        await self._events.aclose()

    def _task(self) -> asyncio.Task[T | _End]:
        if self._next is None:
            self._next = asyncio.create_task(self._advance())
        return self._next

    async def _advance(self) -> T | _End:
        return await anext(self._events, _End.END)
