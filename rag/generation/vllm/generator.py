"""The generator over vLLM: each answer is a pair of requests that the plugin keeps in step.

An answer costs vLLM two rows (the pair), and two more with probes. All answers of all callers are in flight at once,
up to ``max_in_flight``; vLLM batches them. Which vLLM runs them is the :class:`VllmServer`'s affair: one in this
process (:mod:`rag.generation.vllm.local`), or one anywhere behind HTTP (:mod:`rag.generation.vllm.remote`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol
from uuid import uuid4

from decoders.pairing import Half, Role
from decoders.params import DecoderParams
from decoders.sampling import Draw
from decoders.trace import StepTrace
from rag.core.answer import Step
from rag.core.errors import ConcordError, UnavailableError
from rag.core.query import Message
from rag.generation.base import Adapter, Done, Event, Generation, Request, check_fits, collect
from rag.generation.cancel import on_cancel
from rag.generation.codec import Codec
from rag.generation.tracks import Choice, Collector, Track, prompts_of, streams_of

GREEDY = Draw()


@dataclass(frozen=True)
class Job:
    """One request to vLLM: a prompt, and the half of a pair that it is, if it is one.

    Attributes:
        key: shared by everything of one answer, so that data-parallel ranks keep an answer together.
        draw: how the token is chosen; greedy for a probe.
        stop_token_ids: what ends the answer, besides ``max_tokens``.
        cache_salt: prompts of different salts share no cached prefix; empty is everyone's.
        adapter: what the prompt is read with, on top of the model.
    """

    prompt_ids: tuple[int, ...]
    key: str
    max_tokens: int
    stop_token_ids: tuple[int, ...]
    draw: Draw = GREEDY
    half: Half | None = None
    cache_salt: str = ""
    adapter: Adapter | None = None

    @property
    def has_trace(self) -> bool:
        """The trace of a pair travels with its context half."""
        return self.half is not None and self.half.role == "context"


@dataclass(frozen=True)
class Piece:
    """Tokens as they come, each with its trace where the job has one."""

    token_ids: tuple[int, ...]
    traces: tuple[StepTrace, ...] = ()


class VllmServer(Protocol):
    """A vLLM with the plugin. Everything but the properties runs in one event loop."""

    @property
    def window(self) -> int:
        """Most tokens of prompt and answer together."""
        ...

    def run(self, job: Job) -> AsyncGenerator[Piece, None]:
        """The pieces of one job; closing the iterator aborts it.

        Raises:
            UnavailableError: the server is down, or gave the job up.
            InputError: it refused the job, with its reason.
        """
        ...

    def check(self) -> None:
        """Return if a job would be run now; any thread may ask.

        Raises:
            UnavailableError, ModelError: the server is down, or has another model.
        """
        ...

    async def close(self) -> None:
        """Let go of the server."""
        ...


class VllmGenerator:
    """Contrastive generation by vLLM (:class:`rag.generation.base.Generator`).

    Args:
        server: which vLLM.
        codec: the model's tokenizer and prompt style.
        max_in_flight: answers under way at once; more wait here rather than in vLLM's queue.
        timeout_s: longest wait for the next token of an answer.
    """

    def __init__(self, server: VllmServer, codec: Codec, *, max_in_flight: int = 256, timeout_s: float = 300.0) -> None:
        self._server = server
        self._codec = codec
        self._timeout_s = timeout_s
        self._loop = EventLoop()
        self._slots = asyncio.Semaphore(max_in_flight)
        self.name = codec.name
        self.window = server.window
        self.default_stop = codec.default_stop

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        return self._codec.encode(messages)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """All requests at once, results in their order."""
        return collect(self.stream(requests), len(requests))

    def stream(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Events of all requests, interleaved; one :class:`Done` each. Closing the iterator aborts what runs.

        Raises:
            QuestionError: a prompt and its answer do not fit the window.
            UnavailableError: vLLM is down, or an answer made no progress for ``timeout_s``.
        """
        for request in requests:
            check_fits(request, self.window, self.name)
        if not requests:
            return
        events: SimpleQueue[Event | BaseException] = SimpleQueue()
        answers = [self._loop.start(self._answer(i, request, events)) for i, request in enumerate(requests)]
        on_cancel(lambda: events.put(UnavailableError("the answer was cancelled")))
        try:
            num_left = len(requests)
            while num_left:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                num_left -= isinstance(event, Done)
                yield event
        finally:
            for answer in answers:
                answer.cancel()

    def check(self) -> None:
        """Return if a question would be answered now (:class:`rag.generation.base.Checkable`)."""
        self._server.check()

    def close(self) -> None:
        """Stop all requests, whose callers get ``UnavailableError``, and take no further ones."""
        self._loop.close(self._server.close())

    async def _answer(self, index: int, request: Request, events: SimpleQueue[Event | BaseException]) -> None:
        """One answer: its tracks side by side, their events to the caller's queue."""
        collector = Collector()
        try:
            async with self._slots, asyncio.TaskGroup() as group:
                for stream in streams_of(request):
                    track = Track.of(index, request, stream, self._codec.tokenizer)
                    group.create_task(self._run(track, collector, events))
        except asyncio.CancelledError:
            events.put(UnavailableError("the generator was closed; open the engine again"))
            raise
        except BaseExceptionGroup as group_error:
            events.put(_first(group_error))

    async def _run(self, track: Track, collector: Collector, events: SimpleQueue[Event | BaseException]) -> None:
        """One track from its first token to its last; a pair's parametric half runs beside, unread."""
        key = uuid4().hex
        async with asyncio.TaskGroup() as group, aclosing(self._server.run(self._job(track, key, "context"))) as pieces:
            other = None
            if track.stream == "pair":
                other = group.create_task(_drain(self._server.run(self._job(track, key, "parametric"))))
            while track.finish_reason is None:
                for token_id, step in self._decode(await self._next(pieces), track.request.decoder):
                    for event in collector.take(track, Choice(token_id, step), self._codec.eos):
                        events.put(event)
                    if track.finish_reason is not None:
                        break
            # Before its partner goes: a half that is left alone is told so, as an error.
            if other is not None:
                other.cancel()

    def _decode(self, piece: Piece, decoder: DecoderParams) -> Iterator[tuple[int, Step | None]]:
        if any(trace.is_broken for trace in piece.traces):
            raise UnavailableError("this vLLM runs without our scheduler; start it by 'concord serve-llm'")
        for index, token_id in enumerate(piece.token_ids):
            yield token_id, self._codec.step(token_id, piece.traces[index], decoder) if piece.traces else None

    async def _next(self, pieces: AsyncGenerator[Piece, None]) -> Piece:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await anext(pieces)
        except TimeoutError:
            raise UnavailableError(f"vLLM made no progress in {self._timeout_s:g} s; ask again") from None
        except StopAsyncIteration:
            raise UnavailableError("vLLM ended an answer before its end; ask again") from None

    def _job(self, track: Track, key: str, role: Role) -> Job:
        """The job of a probe, or of one half of a pair."""
        request = track.request
        most, stop = request.sampling.max_tokens, tuple(sorted(self._codec.eos))
        if track.stream != "pair":
            prompt = prompts_of(track)[track.stream]
            return Job(prompt.ids, key, most, stop, cache_salt=prompt.salt, adapter=prompt.adapter)
        prompt, half = prompts_of(track)[role], Half(key, role, request.decoder)
        return Job(prompt.ids, key, most, stop, track.draw, half, prompt.salt, prompt.adapter)


async def _drain(pieces: AsyncGenerator[Piece, None]) -> None:
    async for _ in pieces:
        pass


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to show: ours before others, since others are often its consequence."""
    leaves = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, ConcordError)), leaves[0])


class EventLoop:
    """An event loop in a thread of its own, started with the first coroutine."""

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
