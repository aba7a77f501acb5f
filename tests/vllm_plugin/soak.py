"""Random traffic through a real vLLM whose budget and cache are far too small, every answer checked.

Prompts are cut into chunks, rows are preempted, clients leave half-way and plain requests are mixed in. The truth
of an answer comes from the same engine at rest. Numbers that differ in the last bit between two batches can let two
tokens of equal score change places, so where an answer departs, a reference model says how far the two were apart.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Dial
from decoders.rules import mix
from decoders.streams import PAIR
from decoders.vllm_plugin.scheduler import PairScheduler
from decoders.vllm_plugin.worker import PairWorker
from rag.core.query import Sampling
from rag.generation.base import Done, Generation, Request
from rag.generation.vllm.generator import VllmGenerator
from rag.generation.vllm.server import Job

DECODERS: tuple[DecoderParams, ...] = (AdaCad(), Cad(), CkPlug(alpha=0.0), CkPlug(), Coiecd(), Dial())
# Scores closer than this may change places when their batch does: float32 sums in another order.
TIE = 1e-3
STATE_FILE = "CONCORD_SOAK_STATE"
TINY_ENGINE = {
    "max_model_len": 1600,
    "max_num_seqs": 16,
    "max_num_batched_tokens": 256,
    "block_size": 32,
    "num_gpu_blocks_override": 130,
    "scheduler_cls": "tests.vllm_plugin.soak.CountingScheduler",
    "worker_cls": "tests.vllm_plugin.soak.CountingWorker",
}


class CountingScheduler(PairScheduler):
    """Writes what it did and what it still holds to a file, when asked to reset the prefix cache."""

    def reset_prefix_cache(self, *args: Any, **kwargs: Any) -> bool:
        pool = self.kv_cache_manager.block_pool
        held = {
            "requests": len(self.requests),
            "running": len(self.running),
            "waiting": len(self.waiting),
            "pairs": len(self.registry),
            "blocks": pool.num_gpu_blocks - 1 - pool.get_num_free_blocks(),
        }
        Path(os.environ[STATE_FILE]).write_text(json.dumps({"did": asdict(self.registry.counters), "holds": held}))
        return super().reset_prefix_cache(*args, **kwargs)


class CountingWorker(PairWorker):
    """Says how many requests it still keeps."""

    def num_kept(self) -> int:
        return len(self.model_runner.requests) + self.model_runner.input_batch.num_reqs


@dataclass
class Tally:
    """What came of a soak."""

    num_right: int = 0
    num_ties: int = 0
    num_cancelled: int = 0
    num_plain: int = 0
    wrong: list[str] = field(default_factory=list)


def traffic(text_ids: Sequence[int], num_pairs: int, seed: int) -> list[Request]:
    """Pairs with context prompts of 20 to 1,500 tokens, cut from real text at a few places (so that some share)."""
    rng = random.Random(seed)
    places = [rng.randrange(len(text_ids) - 1500) for _ in range(24)]
    requests = []
    for number in range(num_pairs):
        length, start = min(int(20 * 75 ** rng.random()), 1500), rng.choice(places)
        context = tuple(text_ids[start : start + length])
        parametric = context[-rng.randint(20, 60) :]
        sampling = Sampling(max_tokens=rng.randint(4, 24))
        requests.append(Request.pair(context, parametric, DECODERS[number % len(DECODERS)], sampling, has_probes=False))
    return requests


def at_rest(generator: VllmGenerator, requests: Sequence[Request]) -> list[Generation]:
    """The truth: answers two at a time, neighbours in the text together."""
    order = sorted(range(len(requests)), key=lambda index: requests[index].context_ids)
    answers: dict[int, Generation] = {}
    for start in range(0, len(order), 2):
        batch = order[start : start + 2]
        answers |= zip(batch, generator.generate([requests[index] for index in batch]), strict=True)
    return [answers[index] for index in range(len(requests))]


def soak(
    generator: VllmGenerator, requests: Sequence[Request], truth: Sequence[Generation], reference: Any, seed: int
) -> Tally:
    """Ask everything at random moments; 10 % of the clients leave half-way, plain requests are a fifth more."""
    rng = random.Random(seed)
    tally, lock = Tally(), threading.Lock()
    leaving = {index for index in range(len(requests)) if rng.random() < 0.1}

    def ask(index: int) -> None:
        events = generator.stream([requests[index]])
        for num_seen, event in enumerate(events, start=1):
            if isinstance(event, Done):
                with lock:
                    _compare(tally, requests[index], event.generation, truth[index], reference)
            elif index in leaving and num_seen == 2:
                events.close()
                with lock:
                    tally.num_cancelled += 1
                return

    def ask_plain(index: int) -> None:
        output = generator._loop.run(_plain(generator, requests[index]))
        with lock:
            tally.num_plain += bool(output)

    with ThreadPoolExecutor(64) as pool:
        futures = []
        for index in range(len(requests)):
            time.sleep(rng.expovariate(60.0))
            futures.append(pool.submit(ask, index))
            if index % 5 == 0:
                futures.append(pool.submit(ask_plain, index))
        for future in futures:
            future.result()
    return tally


async def _plain(generator: VllmGenerator, request: Request) -> list[int]:
    job = Job(request.context_ids, "0" * 8, 8, ())
    return [token async for piece in generator._server.run(job) for token in piece.token_ids]


def _compare(tally: Tally, request: Request, generation: Generation, expected: Generation, reference: Any) -> None:
    one, other = ([step.token_id for step in answer.steps] for answer in (generation, expected))
    if one == other:
        tally.num_right += 1
        return
    index = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    gap = score_gap(reference, request, one[:index], one[index], other[index])
    if gap < TIE:
        tally.num_ties += 1
    else:
        tally.wrong.append(
            f"prompt of {len(request.context_ids)}, token {index}: {one[index]} for {other[index]}, gap {gap:.2g}"
        )


def score_gap(reference: Any, request: Request, answer: Sequence[int], one: int, other: int) -> float:
    """How far apart a reference model (``transformers``) scores two tokens after ``answer``; inf if one is barred."""
    logits = []
    for prompt in (request.context_ids, request.parametric_ids):
        with torch.inference_mode():
            logits.append(reference(torch.tensor([[*prompt, *answer]])).logits[:, -1])
    scores = mix(request.decoder, dict(zip(PAIR, logits, strict=True))).scores[0]
    gap = float((scores[one] - scores[other]).abs())
    return gap if gap == gap else float("inf")


def read_state(generator: VllmGenerator) -> dict[str, Any]:
    """What the engine did and still holds, its worker included."""
    engine = generator._server.engine  # type: ignore[attr-defined]
    generator._loop.run(engine.reset_prefix_cache())
    state: dict[str, Any] = json.loads(Path(os.environ[STATE_FILE]).read_text())
    state["holds"]["worker"] = sum(generator._loop.run(engine.collective_rpc("num_kept")))
    return state
