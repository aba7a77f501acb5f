"""A vLLM engine that this process starts. Its engine core runs in a child process, on this machine's devices."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import entry_points
from typing import Any
from uuid import uuid4

from decoders.pairing import KEY
from decoders.trace import TRACE_SIZE, StepTrace
from rag.core.errors import ModelError, QuestionError, SettingError, UnavailableError
from rag.generation.vllm.adapters.engine import EngineAdapters
from rag.generation.vllm.adapters.recipe import AdapterLimits, AdapterRefused, PartsMissing, Recipe
from rag.generation.vllm.server import MAX_SENDINGS, TOO_LITTLE_MEMORY, Job, Piece


def plugin() -> dict[str, Any]:
    """The fields of vLLM's ``AsyncEngineArgs`` that teach it pairs.

    The logits processor is an entry point, which vLLM finds by itself. A source tree that is not installed has no entry
    point, so there the processor is named.
    """
    named = {
        "scheduler_cls": "decoders.vllm_plugin.scheduler.PairScheduler",
        "worker_cls": "decoders.vllm_plugin.worker.PairWorker",
    }
    processor = "decoders.vllm_plugin.processors:PairProcessor"
    if any(entry.value == processor for entry in entry_points(group="vllm.logits_processors")):
        return named
    return named | {"logits_processors": [processor]}


class LocalVllm:
    """vLLM's ``AsyncLLM`` with the pair scheduler.

    Started by :meth:`start`, and again by the first job after it died.

    Args:
        model: a Hugging Face name or a folder.
        options: fields of vLLM's ``AsyncEngineArgs`` (``tensor_parallel_size``, ``gpu_memory_utilization`` ...).
    """

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        self._model = model
        self._options = dict(options)
        self._engine: Any = None
        self._starting = asyncio.Lock()
        self._num_ranks = 1
        self.window = 0

    def start(self) -> None:
        """Start the engine; takes from seconds to minutes.

        Raises:
            ModelError: vLLM is not installed in a version that the plugin supports, or it cannot load the model.
        """
        # The engine core is a child process: it must not inherit this process's threads and locks.
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB; used on a CPU only
        try:
            from decoders.vllm_plugin.compat import AsyncEngineArgs, AsyncLLM
        except ImportError as error:
            raise ModelError(f"engine 'vllm' needs vLLM: {error}") from error
        try:
            args = AsyncEngineArgs(**{"model": self._model} | plugin() | self._options)
            self._engine = AsyncLLM.from_engine_args(args)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ModelError(f"vLLM cannot load {self._model!r}: {reason[:300]}") from error
        self.window = int(self._engine.model_config.max_model_len)
        self._adapters = EngineAdapters(self._engine)
        self._num_ranks = int(self._engine.vllm_config.parallel_config.data_parallel_size)

    @property
    def engine(self) -> Any:
        """vLLM's own object, for what this class does not cover."""
        return self._engine

    async def run(self, job: Job) -> AsyncGenerator[Piece, None]:
        """The pieces of one job (:class:`rag.generation.vllm.server.VllmServer`)."""
        from decoders.vllm_plugin.compat import EngineDeadError, EngineGenerateError, refusals

        await self._restart_if_dead()
        rank = int(job.key[:8], 16) % self._num_ranks if self._num_ranks > 1 else None
        prompt: dict[str, Any] = {"prompt_token_ids": list(job.prompt_ids)}
        if job.cache_salt:
            prompt["cache_salt"] = job.cache_salt
        try:
            async with AsyncExitStack() as stack:
                lora_request = await self._hold_adapter(job, stack)
                outputs = self._engine.generate(
                    prompt, _sampling(job), uuid4().hex, data_parallel_rank=rank, lora_request=lora_request
                )
                stack.push_async_callback(outputs.aclose)
                async for output in outputs:
                    yield _piece(job, output.outputs[0])
        except (EngineDeadError, EngineGenerateError) as error:
            raise UnavailableError(f"vLLM died ({error}); ask again, and it is started anew") from error
        except AdapterRefused as error:
            raise SettingError(str(error)) from error
        except refusals() as error:
            raise QuestionError(f"vLLM refused the request: {error}") from error

    async def _restart_if_dead(self) -> None:
        async with self._starting:
            if self._engine is None or self._engine.errored:
                await self.close()
                await asyncio.to_thread(self.start)

    async def _hold_adapter(self, job: Job, stack: AsyncExitStack) -> Any:
        """vLLM's request for the job's adapter, held until the stack ends; ``None`` where the job has none."""
        if job.adapter is None:
            return None
        recipe = Recipe.describe(job.adapter, job.cache_salt)
        for _ in range(MAX_SENDINGS):
            try:
                return await stack.enter_async_context(self._adapters.hold(recipe))
            except PartsMissing as missing:
                for part in job.find_parts(missing.digests):
                    await self._adapters.put(part.digest, job.cache_salt, part.to_bytes())
        raise SettingError(TOO_LITTLE_MEMORY)

    async def adapter_limits(self) -> AdapterLimits:
        """What the engine takes (:class:`rag.generation.vllm.server.VllmServer`)."""
        await self._restart_if_dead()
        try:
            return await self._adapters.limits()
        except AdapterRefused as error:
            raise SettingError(str(error)) from error

    def check(self) -> None:
        """Nothing to check: the next job starts an engine that died."""

    async def close(self) -> None:
        """Stop the engine's processes."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()


def _sampling(job: Job) -> Any:
    from vllm import SamplingParams

    from decoders.vllm_plugin.compat import RequestOutputKind, StructuredOutputsParams

    draw = job.draw
    return SamplingParams(
        temperature=draw.temperature,
        top_p=draw.top_p,
        top_k=draw.top_k,
        min_p=draw.min_p,
        seed=draw.seed if not draw.is_greedy else None,
        max_tokens=job.max_tokens,
        stop_token_ids=list(job.stop_token_ids),
        logprobs=TRACE_SIZE if job.has_trace else None,
        extra_args={KEY: job.half.to_text()} if job.half else None,
        structured_outputs=StructuredOutputsParams(json=job.json_schema) if job.json_schema else None,
        output_kind=RequestOutputKind.DELTA,
        detokenize=False,
    )


def _piece(job: Job, output: Any) -> Piece:
    if output.finish_reason == "abort":
        raise UnavailableError(f"vLLM gave the answer up: {output.stop_reason or 'aborted'}")
    if not job.has_trace:
        return Piece(tuple(output.token_ids))
    traces = [[entry.logprob for entry in position.values()][1:] for position in output.logprobs or ()]
    return Piece(tuple(output.token_ids), tuple(map(StepTrace.from_numbers, traces)))
