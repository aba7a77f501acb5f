"""Speed of pairs inside vLLM against plain vLLM, the two-stream limit and the one-at-a-time twin, in one run.

    python benchmarks/vllm_contrastive.py [--quick] [--model NAME] [--max-tokens N] [--rounds N]
                                          [--concurrency 1 8 16 32] [--options '{"gpu_memory_utilization": 0.8}']

For each concurrency the same prompts are answered by plain vLLM (the context prompts alone), by plain vLLM with twice
the requests (both prompts as separate requests; half of its rate is the two-stream limit: the same rows, no
mixing), and as AdaCAD pairs. Answers run to their full length; the prefix cache is emptied before each. Rounds repeat
all of it in turn; ratios are taken within a round, and their median is reported.

The processor's share is the time of its ``apply`` over the time of the worker's steps, both in the worker, at the
largest concurrency. Prints a table, then one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks.decoding import build_requests
from decoders.pairing import KEY, ROLES, Half
from decoders.params import AdaCad
from decoders.trace import TRACE_SIZE
from decoders.vllm_plugin.worker import PairWorker
from rag.core.settings.config import Config
from rag.generation.base import Request
from rag.generation.load import load_generator
from rag.generation.vllm.generator import VllmGenerator
from tests.oracles import twin

Prompt = tuple[int, ...]
ARMS = ("plain", "two streams", "adacad")


class TimedWorker(PairWorker):
    """Adds up the time of steps with pairs, and of the processor in them."""

    def execute_model(self, *args: Any, **kwargs: Any) -> Any:
        """As the worker's, timed."""
        return self._timed(super().execute_model, *args, **kwargs)

    def sample_tokens(self, *args: Any, **kwargs: Any) -> Any:
        """As the worker's, timed."""
        return self._timed(super().sample_tokens, *args, **kwargs)

    def start_clock(self) -> None:
        """Begin at zero, and time the processor from now on."""
        from decoders.vllm_plugin.processors import PairProcessorV1

        self.step_s = self.processor_s = 0.0
        for processor in self.model_runner.input_batch.logitsprocs.all:
            if isinstance(processor, PairProcessorV1):
                inner = type(processor).apply.__get__(processor)
                processor.apply = lambda logits, inner=inner: self._timed_processor(inner, logits)

    def read_clock(self) -> tuple[float, float]:
        """Seconds of the steps, and of the processor in them."""
        return self.step_s, self.processor_s

    def _timed(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        result = call(*args, **kwargs)
        self.step_s = getattr(self, "step_s", 0.0) + time.perf_counter() - started
        return result

    def _timed_processor(self, inner: Callable[[Any], Any], logits: Any) -> Any:
        started = time.perf_counter()
        result = inner(logits)
        self.processor_s += time.perf_counter() - started
        return result


class Bench:
    """One engine, asked in three ways."""

    def __init__(self, generator: VllmGenerator, max_tokens: int) -> None:
        self._engine = generator._server.engine  # type: ignore[attr-defined]
        self._loop = generator._loop
        self._max_tokens = max_tokens

    def rate(self, arm: str, requests: Sequence[Request], concurrency: int) -> float:
        """Tokens of answers per second."""
        self._loop.run(self._engine.reset_prefix_cache())
        ask = {"plain": self._plain, "two streams": self._both, "adacad": self._pair}[arm]
        started = time.perf_counter()
        self._loop.run(self._all(ask, requests, concurrency))
        return len(requests) * self._max_tokens / (time.perf_counter() - started)

    def processor_share(self, requests: Sequence[Request], concurrency: int) -> float:
        """Of the steps' time, what the processor takes."""
        self._loop.run(self._engine.collective_rpc("start_clock"))
        self.rate("adacad", requests, concurrency)
        step_s, processor_s = self._loop.run(self._engine.collective_rpc("read_clock"))[0]
        return float(processor_s / step_s)

    async def _all(self, ask: Callable[[Request], Awaitable[Any]], requests: Sequence[Request], bound: int) -> None:
        slots = asyncio.Semaphore(bound)

        async def one(request: Request) -> None:
            async with slots:
                await ask(request)

        await asyncio.gather(*map(one, requests))

    async def _plain(self, request: Request) -> None:
        await self._run(request.context_ids)

    async def _both(self, request: Request) -> None:
        await asyncio.gather(self._run(request.context_ids), self._run(request.parametric_ids))

    async def _pair(self, request: Request) -> None:
        halves = [Half(uuid4().hex, role, AdaCad()) for role in ROLES]
        halves[1] = Half(halves[0].pair_id, "parametric", AdaCad())
        prompts = (request.context_ids, request.parametric_ids)
        await asyncio.gather(*(self._run(*each) for each in zip(prompts, halves, strict=True)))

    async def _run(self, prompt: Prompt, half: Half | None = None) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=0.0,
            max_tokens=self._max_tokens,
            ignore_eos=True,
            detokenize=False,
            logprobs=TRACE_SIZE if half and half.role == "context" else None,
            extra_args={KEY: half.to_text()} if half else None,
            output_kind=RequestOutputKind.DELTA,
        )
        outputs = self._engine.generate({"prompt_token_ids": list(prompt)}, params, uuid4().hex)
        num = sum([len(output.outputs[0].token_ids) async for output in outputs])
        assert num == self._max_tokens, f"{num} tokens for {self._max_tokens}"


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 and 16 answers at once, one round, 16 tokens")
    parser.add_argument("--model", default="default", help="generator")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 16, 32])
    parser.add_argument("--options", type=json.loads, default={}, help="JSON, fields of vLLM's AsyncEngineArgs")
    args = parser.parse_args()
    if args.quick:
        args.concurrency, args.rounds, args.max_tokens = [1, 16], 1, 16
    options = {"max_num_seqs": 2 * max(args.concurrency), "max_model_len": 2048} | args.options
    if "enforce_eager" not in options and not _has_gpu():
        options["worker_cls"] = "benchmarks.vllm_contrastive.TimedWorker"
    console = Console(stderr=True)
    console.print("starting vLLM ...")
    generator = load_generator(Config(model=args.model, engine="vllm", engine_options=options))
    assert isinstance(generator, VllmGenerator)
    try:
        result = measure(generator, args, console)
    finally:
        generator.close()
    console.print("the one-at-a-time twin ...")
    alone = rate_of_twin(args.model, args.max_tokens)
    result["tokens_per_s"]["one at a time"] = alone
    best = max(rates["adacad"] for rates in result["tokens_per_s"]["by_concurrency"].values())
    result["adacad_over_one_at_a_time"] = best / alone
    show(result)
    print(json.dumps(result))


def measure(generator: VllmGenerator, args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All arms at all concurrencies, in rounds."""
    bench = Bench(generator, args.max_tokens)
    widest = max(args.concurrency)
    requests = build_requests(generator, 1, max(8, 2 * widest), args.max_tokens)
    for arm in ARMS:
        bench.rate(arm, requests[:4], 4)  # first steps allocate
    rates: dict[int, dict[str, list[float]]] = {c: {arm: [] for arm in ARMS} for c in args.concurrency}
    for number in range(args.rounds):
        for concurrency in args.concurrency:
            asked = requests[: max(6, 2 * concurrency)]
            # Turn and turn about, so that no arm always comes first.
            for arm in ARMS[number % 3 :] + ARMS[: number % 3]:
                rates[concurrency][arm].append(bench.rate(arm, asked, concurrency))
            console.print(f"round {number + 1}, {concurrency} at once: {_line(rates[concurrency])}")
    medians = {str(c): {arm: statistics.median(v) for arm, v in by_arm.items()} for c, by_arm in rates.items()}
    result: dict[str, Any] = {
        "adacad_over_plain": _ratios(rates, lambda plain, both, pair: pair / plain),
        "adacad_over_two_stream_limit": _ratios(rates, lambda plain, both, pair: pair / both),
        "tokens_per_s": {"by_concurrency": medians},
        "max_tokens": args.max_tokens,
        "rounds": args.rounds,
        "mean_prompt_tokens": statistics.mean(len(r.context_ids) for r in requests),
    }
    if not _has_gpu():
        result["processor_share_of_step"] = bench.processor_share(requests, widest)
    return result


def rate_of_twin(model: str, max_tokens: int, num_prompts: int = 4) -> float:
    """Tokens per second of the readable loop: one question, two forwards per token."""
    generator = load_generator(Config(model=model, engine="transformers"))
    requests = build_requests(generator, 1, num_prompts, max_tokens)
    inner: Any = generator
    twin.generate(inner._model, requests[0].context_ids, requests[0].parametric_ids, twin.adacad, 2)
    started = time.perf_counter()
    for request in requests:
        twin.generate(inner._model, request.context_ids, request.parametric_ids, twin.adacad, max_tokens)
    return num_prompts * max_tokens / (time.perf_counter() - started)


def show(result: dict[str, Any]) -> None:
    """The table."""
    table = Table(
        title=f"AdaCAD in vLLM, answers of {result['max_tokens']} tokens, medians of {result['rounds']} rounds"
    )
    for column in ("at once", *(f"{arm}, tokens/s" for arm in ARMS), "over plain", "over the limit"):
        table.add_column(column, justify="right")
    for concurrency, rates in result["tokens_per_s"]["by_concurrency"].items():
        ratios = [result[f"adacad_over_{name}"][concurrency] for name in ("plain", "two_stream_limit")]
        table.add_row(concurrency, *(f"{rates[arm]:.1f}" for arm in ARMS), *(f"{ratio:.3f}" for ratio in ratios))
    Console().print(table)


def _ratios(rates: dict[int, dict[str, list[float]]], ratio: Callable[..., float]) -> dict[str, float]:
    return {
        str(concurrency): statistics.median(ratio(*each) for each in zip(*(by_arm[a] for a in ARMS), strict=True))
        for concurrency, by_arm in rates.items()
    }


def _line(by_arm: dict[str, list[float]]) -> str:
    return ", ".join(f"{arm} {values[-1]:.1f}" for arm, values in by_arm.items()) + " tokens/s"


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()
