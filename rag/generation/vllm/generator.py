"""The generator over vLLM: each answer is a pair of requests that the plugin keeps in step.

An answer costs vLLM two rows (the pair), and one more for each probe; plain decoding without probes costs one row.
All answers of all callers are in flight at once, up to ``max_in_flight``; vLLM batches them. The server is a vLLM in
this process (:mod:`rag.generation.vllm.local`), or one anywhere behind HTTP (:mod:`rag.generation.vllm.remote`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing
from queue import SimpleQueue
from uuid import uuid4

from decoders.pairing import ROLES, Half
from decoders.streams import PAIR
from decoders.trace import StepTrace
from rag.core.answer import Step
from rag.core.errors import ConcordError, SettingError, UnavailableError
from rag.core.query import Message
from rag.generation.adapters.adapter import Adapter
from rag.generation.base import Done, Event, Generation, Prompt, Request, collect
from rag.generation.cancel import on_cancel
from rag.generation.codec import Codec
from rag.generation.request import check_fits
from rag.generation.sequences import ActiveSequence, Choice, Collector
from rag.generation.vllm.event_loop import EventLoop
from rag.generation.vllm.server import Job, Piece, VllmServer, fit_rank


class VllmGenerator:
    """Contrastive generation by vLLM (:class:`rag.generation.base.Generator`).

    Args:
        server: which vLLM.
        codec: the model's tokenizer and prompt style.
        max_in_flight: answers under way at once; more wait here rather than in vLLM's queue.
        timeout_s: longest wait for the next token of an answer.
    """

    def __init__(self, server: VllmServer, codec: Codec, *, max_in_flight: int = 256, timeout_s: float = 300.0) -> None:
        self.can_constrain = True  # answers follow Sampling.json_schema
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

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a piece of text, without special tokens."""
        return self._codec.encode_text(text)

    def encode_reply(self, text: str) -> tuple[int, ...]:
        """Token ids of a whole reply, its end included."""
        return self._codec.encode_reply(text)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """All requests at once, results in their order."""
        return collect(self.stream(requests), len(requests))

    def stream(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Events of all requests, interleaved; one :class:`Done` each. Closing the iterator aborts what runs.

        Raises:
            QuestionError: a prompt and its answer do not fit the window.
            SettingError: a request reads other streams than the context and the parametric one.
            UnavailableError: vLLM is down, or an answer made no progress for ``timeout_s``.
        """
        for request in requests:
            _check_streams(request)
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

    @property
    def max_adapter_rank(self) -> int:
        """Largest rank of an adapter; 0 where vLLM was started without (:class:`rag.generation.base.AdapterRunner`)."""
        return int(self._loop.run(self._server.adapter_limits()).max_rank)

    def check_adapter(self, adapter: Adapter) -> None:
        """Refuse an adapter that vLLM would not run (:class:`rag.generation.base.AdapterRunner`)."""
        limit = self.max_adapter_rank
        if adapter.rank > limit:
            takes = f"takes up to {limit}" if limit else "was started without any"
            raise SettingError(
                f"the patches have rank {adapter.rank}, and vLLM {takes}; start it with --enable-lora "
                f"--max-lora-rank {fit_rank(adapter.rank)}, or lower patch_max_rank"
            )

    @property
    def base(self) -> str:
        """Fingerprint of the model's weights, as the server tells it; empty where it does not."""
        return str(self._loop.run(self._server.adapter_limits()).base)

    def check(self) -> None:
        """Return if a question would be answered now (:class:`rag.generation.base.Checkable`)."""
        self._server.check()

    def close(self) -> None:
        """Stop all requests, whose callers get ``UnavailableError``, and take no further ones."""
        self._loop.close(self._server.close())

    async def _answer(self, index: int, request: Request, events: SimpleQueue[Event | BaseException]) -> None:
        """Run one answer: all its sequences at once. Their events go to the caller's queue."""
        collector = Collector()
        try:
            async with self._slots, asyncio.TaskGroup() as group:
                for sequence in ActiveSequence.start(index, request, self._codec.tokenizer):
                    group.create_task(self._run(sequence, collector, events))
        except asyncio.CancelledError:
            events.put(UnavailableError("the generator was closed; open the engine again"))
            raise
        except BaseExceptionGroup as group_error:
            events.put(_first(group_error))

    async def _run(
        self, sequence: ActiveSequence, collector: Collector, events: SimpleQueue[Event | BaseException]
    ) -> None:
        """Run one sequence from its first token to its last. A pair's parametric half runs beside it, unread."""
        first, *others = build_jobs(sequence, self._codec.eos)
        async with asyncio.TaskGroup() as group, aclosing(self._server.run(first)) as pieces:
            partners = [group.create_task(_drain(self._server.run(job))) for job in others]
            while sequence.finish_reason is None:
                for token_id, trace in self._decode(await self._next(pieces)):
                    step = self._step(sequence, token_id, trace) if sequence.is_answer else None
                    for event in collector.take(sequence, Choice(token_id, step), self._codec.eos):
                        events.put(event)
                    if sequence.finish_reason is not None:
                        break
            # Before this half ends: a half whose partner has ended gets an error.
            for partner in partners:
                partner.cancel()

    def _decode(self, piece: Piece) -> Iterator[tuple[int, StepTrace | None]]:
        if any(trace.is_broken for trace in piece.traces):
            raise UnavailableError("this vLLM runs without our scheduler; start it by 'concord serve-llm'")
        for index, token_id in enumerate(piece.token_ids):
            yield token_id, piece.traces[index] if piece.traces else None

    def _step(self, sequence: ActiveSequence, token_id: int, trace: StepTrace | None) -> Step:
        """The step of an answer. If a single stream ran as a pair with itself, the step has that stream only."""
        if trace is not None and len(sequence.streams) == 1:
            trace = StepTrace(math.nan, {name: trace.streams[name] for name in sequence.streams})
        return self._codec.step(token_id, trace, sequence.request.decoder)

    async def _next(self, pieces: AsyncGenerator[Piece, None]) -> Piece:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await anext(pieces)
        except TimeoutError:
            raise UnavailableError(f"vLLM made no progress in {self._timeout_s:g} s; ask again") from None
        except StopAsyncIteration:
            raise UnavailableError("vLLM ended an answer before its end; ask again") from None


def build_jobs(sequence: ActiveSequence, stop_token_ids: Collection[int]) -> list[Job]:
    """One job where one stream is read greedily, else the two halves of a pair, the half with the trace first.

    A single stream that is sampled runs as a pair with itself, so that its tokens are drawn as in any other answer.
    """
    request, key, stop = sequence.request, uuid4().hex, tuple(sorted(stop_token_ids))
    prompts = {name: request.streams[name] for name in sequence.streams}
    first = next(iter(prompts.values()))

    def job(prompt: Prompt, half: Half | None) -> Job:
        max_tokens = request.sampling.max_tokens
        # A probe says what a stream would answer in its own words.
        schema = request.sampling.json_schema if sequence.is_answer else ""
        return Job(prompt.ids, key, max_tokens, stop, sequence.draw, half, prompt.salt, prompt.adapter, schema)

    if len(prompts) == 1 and sequence.draw.is_greedy:
        return [job(first, None)]
    forced = sequence.draw.forced
    return [job(prompts.get(role, first), Half(key, role, request.decoder, forced=forced)) for role in ROLES]


def _check_streams(request: Request) -> None:
    """Refuse what vLLM's scheduler cannot keep in step.

    Raises:
        SettingError: the request runs a stream besides the usual two.
    """
    others = [name for name in request.used if name not in PAIR]
    if others:
        raise SettingError(
            f"engine 'vllm' runs the streams {' and '.join(PAIR)}; this request also reads {', '.join(others)}; "
            "take engine='transformers', or another decoder"
        )


async def _drain(pieces: AsyncGenerator[Piece, None]) -> None:
    async for _ in pieces:
        pass


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to show: ours before others, since others are often its consequence."""
    leaves = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, ConcordError)), leaves[0])
