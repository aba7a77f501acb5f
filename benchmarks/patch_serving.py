"""Patches through one ``concord serve-llm``: as many different sets of patches as questions.

    python benchmarks/patch_serving.py [--quick | --sets N] [--model NAME] [--port 18430]

Starts a server and asks it ``num_sets`` questions, each with another set of one to four patches. The patches are random
and strong, so that each set has its own answer; among the questions are pairs, plain prompts and prompts without
patches. Every answer is compared with the transformers engine's. Keys:

    wrong                 answers that differ from it, where rounding does not decide
    memory_growth_mib     of all processes of the server, over the second half of the questions
    memory_by_quarter     MiB that it grew by in each quarter of the questions: what it took before the first, then four
                          numbers; a leak would keep them equal
    disk_growth_bytes     of the library's and the server's folders, which is none: nothing is written
    first_token           median ms to the first token without and with a loaded patch, in turn, and their ratio
    compose_ms            composing four patches in this process

Prints one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
import psutil
import torch

from benchmarks.patching import read
from decoders.params import AdaCad, Cad, Plain
from rag.core.query import Message, Sampling
from rag.core.settings.config import Config
from rag.generation.adapters.adapter import Adapter, AdapterPart
from rag.generation.adapters.compose import compose
from rag.generation.adapters.packed import PackedTensors, pack
from rag.generation.base import Request
from rag.generation.load import load_generator
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.vllm.generator import VllmGenerator
from tests.vllm_plugin.soak import TIE, score_gap

_NUM_PARTS, _RANK, _BATCH = 24, 4, 25


def main() -> None:
    """Parse the options and print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="30 sets instead of 200")
    options.add_argument("--model", default="default")
    options.add_argument("--port", type=int, default=18430)
    options.add_argument("--sets", type=int, default=200, help="as many show whether memory grows on")
    chosen = options.parse_args()
    num_sets = 30 if chosen.quick else chosen.sets
    local = load_generator(Config(model=chosen.model))
    assert isinstance(local, TransformersGenerator)
    parts = [_random_part(local, seed) for seed in range(_NUM_PARTS)]
    requests = _requests(local, parts, num_sets)
    with tempfile.TemporaryDirectory() as folder, _server(chosen.model, chosen.port, Path(folder)) as process:
        remote = load_generator(Config(model=chosen.model, engine=f"http://127.0.0.1:{chosen.port}"))
        assert isinstance(remote, VllmGenerator)
        answers, sizes = _ask(remote, requests, process)
        first_token = _first_token(remote, requests)
        written = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        remote.close()
    figures = {
        "num_sets": num_sets,
        "wrong": _count_wrong(local, requests, answers),
        "distinct_answers": len(set(answers)),
        "memory_growth_mib": round(sizes[-1] - sizes[len(sizes) // 2], 1),
        "memory_by_quarter": _by_quarter(sizes),
        "disk_growth_bytes": written,
        "first_token": first_token,
        "compose_ms": _compose_ms(parts),
    }
    print(json.dumps(figures))


@contextmanager
def _server(model: str, port: int, folder: Path) -> Iterator[psutil.Process]:
    """A server whose temporary files would lie in ``folder``."""
    command = [sys.executable, "-m", "rag", "serve-llm", "--model", model, "--port", str(port)]
    command += ["--max-num-seqs", "16", "--max-model-len", "512"]
    environment = os.environ | {"TMPDIR": str(folder), "VLLM_CPU_KVCACHE_SPACE": "1"}
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=log, stderr=log)
    try:
        while not _is_up(port):
            if process.poll() is not None:
                raise SystemExit(f"the server ended while it started; see {log.name}")
            time.sleep(1)
        for file in folder.rglob("*"):  # what starting has left
            if file.is_file():
                file.unlink()
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _random_part(generator: TransformersGenerator, seed: int) -> PackedTensors:
    noise = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in generator.model.named_modules():
        if name.rpartition(".")[2] in ("gate_proj", "up_proj", "down_proj"):
            a = torch.randn(_RANK, module.in_features, generator=noise) * 0.03
            b = torch.randn(module.out_features, _RANK, generator=noise) * 0.03
            tensors[name] = a.half(), b.half()  # as patches are stored
    return pack(tensors)


def _requests(generator: TransformersGenerator, parts: Sequence[PackedTensors], num_sets: int) -> list[Request]:
    rng, facts = random.Random(0), read("facts.jsonl")
    requests = []
    for number in range(num_sets):
        chosen = [AdapterPart(part, round(rng.uniform(0.3, 1), 4)) for part in rng.sample(parts, rng.randint(1, 4))]
        recipe = " ".join(f"{part.tensors.digest}*{part.weight}" for part in chosen)
        adapter = Adapter(hashlib.sha256(recipe.encode()).hexdigest()[:32], tuple(chosen), 64)
        ids = generator.encode([Message("user", facts[number % len(facts)]["question"])])
        decoder = (Plain(), AdaCad(), Cad())[number % 3]
        patched = Request.pair(ids, ids, decoder, Sampling(max_tokens=6), has_probes=False, context_adapter=adapter)
        requests += [patched, patched.with_adapter("context", None)][: 1 + (number % 4 == 0)]
    return requests


def _ask(remote: VllmGenerator, requests: Sequence[Request], server: psutil.Process) -> tuple[list[Any], list[float]]:
    """The answers, and the MiB that the server took before the first and after each batch."""
    answers, sizes = [], [_mib(server)]
    for start in range(0, len(requests), _BATCH):
        answers += [answer.token_ids for answer in remote.generate(requests[start : start + _BATCH])]
        sizes.append(_mib(server))
        print(f"  {len(answers)} of {len(requests)} answers, the server takes {sizes[-1]:.0f} MiB", flush=True)
    return answers, sizes


def _mib(server: psutil.Process) -> float:
    return sum(process.memory_info().rss for process in (server, *server.children(recursive=True))) / 2**20


def _by_quarter(sizes: Sequence[float]) -> list[float]:
    """The first size, and the growth over each quarter of what follows."""
    ends = [sizes[round((len(sizes) - 1) * quarter / 4)] for quarter in range(5)]
    return [round(ends[0], 1), *(round(after - before, 1) for before, after in itertools.pairwise(ends))]


def _count_wrong(local: TransformersGenerator, requests: Sequence[Request], answers: Sequence[Any]) -> int:
    num_wrong = 0
    for request, expected, found in zip(requests, local.generate(requests), answers, strict=True):
        pairs = enumerate(zip(expected.token_ids, found, strict=False))
        place = next((place for place, (one, other) in pairs if one != other), None)
        if place is not None:
            before, one, other = expected.token_ids[:place], expected.token_ids[place], found[place]
            num_wrong += score_gap(local.model, request, before, one, other) >= TIE
    return num_wrong


def _first_token(remote: VllmGenerator, requests: Sequence[Request]) -> dict[str, float]:
    sampling = Sampling(max_tokens=1)
    adapter = requests[0].streams["context"].adapter
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(41):
        for is_patched in (True, False) if turn % 2 else (False, True):
            ids = remote.encode([Message("user", f"{turn} {is_patched}: who runs the harbour of Port Selwick?")])
            request = Request.single(ids, sampling, adapter=adapter if is_patched else None)
            begun = time.perf_counter()
            remote.generate([request])
            times[is_patched].append((time.perf_counter() - begun) * 1e3)
    without, patched = (statistics.median(times[is_patched][1:]) for is_patched in (False, True))
    return {"without_ms": round(without, 1), "patched_ms": round(patched, 1), "ratio": round(patched / without, 3)}


def _compose_ms(parts: Sequence[PackedTensors]) -> float:
    times = []
    for turn in range(30):
        chosen = [(parts[(turn + step) % len(parts)], 1 / (step + 1)) for step in range(4)]
        begun = time.perf_counter()
        compose(chosen, 64)
        times.append((time.perf_counter() - begun) * 1e3)
    return round(statistics.median(times), 2)


if __name__ == "__main__":
    main()
