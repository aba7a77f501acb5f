"""From a blocking iterator in a thread to an asynchronous one; leaving it stops the iterator at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TypeVar

from rag.core.errors import UnavailableError
from rag.generation.cancel import Cancellation, cancellable

T = TypeVar("T")
_END = object()


async def iterate(
    submit: Callable[[Callable[[], None]], Future[None]], make: Callable[[], Iterator[T]], cancellation: Cancellation
) -> AsyncGenerator[T, None]:
    """What ``make()`` yields, made and read in the thread that ``submit`` finds; its errors are raised here.

    Leaving the iterator cancels ``cancellation``; so may anyone else. The iterator ends after its thread has.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[object] = asyncio.Queue()

    def put(item: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: no reader is left
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def read() -> None:
        with cancellable(cancellation):
            for item in make():
                if cancellation.is_cancelled:
                    break
                put(item)

    submit(read).add_done_callback(lambda future: put(_end(future)))
    try:
        while (item := await queue.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]  # a T: everything else is dealt with above
    finally:
        cancellation.cancel()


def _end(future: Future[None]) -> object:
    """How the thread ended: with an error, or ``_END``."""
    try:
        return future.exception() or _END
    except CancelledError:
        return UnavailableError("the service is closing; ask again later")
