"""From a blocking iterator in a thread to an asynchronous one; leaving it stops the iterator at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar

from rag.generation.cancel import Cancellation, cancellable

T = TypeVar("T")
_END = object()


async def iterate(
    executor: Executor, make: Callable[[], Iterator[T]], cancellation: Cancellation
) -> AsyncGenerator[T, None]:
    """What ``make()`` yields, made and read in one thread of ``executor``; its errors are raised here.

    Leaving the iterator cancels ``cancellation``; so may anyone else.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[object] = asyncio.Queue()

    def put(item: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def read() -> None:
        try:
            with cancellable(cancellation):
                for item in make():
                    if cancellation.is_cancelled:
                        break
                    put(item)
        except BaseException as error:  # raised again in the loop
            put(error)
        else:
            put(_END)

    executor.submit(read)
    try:
        while (item := await queue.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]  # a T: everything else is dealt with above
    finally:
        cancellation.cancel()
