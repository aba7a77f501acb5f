"""An event loop in a thread, for callers that have no loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from rag.core.errors import UnavailableError


class EventLoop:
    """An event loop in its own thread, started with the first coroutine."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine; returns its ``concurrent.futures.Future``.

        Raises:
            UnavailableError: the loop is closed.
        """
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise UnavailableError("the generator is closed; open the engine again")
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine and wait for its result."""
        return self.start(coroutine).result()

    def close(self, last: Coroutine[Any, Any, Any]) -> None:
        """Cancel everything, run ``last``, and end the thread."""
        if self._is_closed:
            last.close()
            return
        self.run(_cancel_others())
        self.run(last)
        with self._lock:
            self._is_closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    me = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not me and not task.done()]
    for task in others:
        task.cancel()
    await asyncio.wait(others, timeout=10) if others else None
