"""One decoding step under several waiting times of OpenMP's threads, on a machine that is idle and on one that is busy.

    python benchmarks/threads.py [--quick] [--counts 0 1000 ...] [--num-busy N] [--num-threads N] [--rounds N]

Waiting threads spin before they sleep. A long spin is best where nothing else runs, and the worst where the thread
that is waited for needs the same processor. Each setting runs in its own process, idle and busy in turn and all
settings in each round; "busy" means N further processes that only count (as many as there are processors, by default).
A step feeds eight rows of the default model one token each.

"unset" is the library's own choice; the shipped setting is ``SPIN_COUNT`` of ``rag.core.process.threads``. Prints a
table, then one JSON object on the last line: the shipped pair of figures, as ratios to the best setting without and
with load. Run it on a machine where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.progress import track
from rich.table import Table

from rag.core.process.threads import SPIN_COUNT, available_cpus

NUM_ROWS, PROMPT_TOKENS, NUM_WARM_UP = 8, 200, 3
COUNTS = (0, 300, 1000, 3000, 10000, 30000)
QUICK_COUNTS = (0, 10000)
Times = dict[str, dict[str, float]]


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four settings, one round, under three minutes")
    parser.add_argument("--counts", type=int, nargs="+", help="turns of the waiting loop to try")
    parser.add_argument("--num-busy", type=int, default=available_cpus(), help="processes beside the busy steps")
    parser.add_argument("--num-threads", type=int, default=available_cpus())
    parser.add_argument("--rounds", type=int, help="times that each setting is measured (3; 1 with --quick)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_steps(1.0 if args.quick else 4.0)))
        return
    counts = sorted({*(args.counts or (QUICK_COUNTS if args.quick else COUNTS)), SPIN_COUNT})
    times = measure(
        [None, *counts], args.rounds or (1 if args.quick else 3), args.num_busy, args.num_threads, args.quick
    )
    show(times)
    print(json.dumps(summary(times) | {"num_busy": args.num_busy, "num_threads": args.num_threads}))


def measure(counts: Sequence[int | None], num_rounds: int, num_busy: int, num_threads: int, is_quick: bool) -> Times:
    """Milliseconds of a step by setting and load; the median over the rounds."""
    by_setting: dict[tuple[str, str], list[float]] = {}
    turns = [(load, count) for _ in range(num_rounds) for load in ("idle", "busy") for count in counts]
    for load, count in track(turns, description="settings", console=Console(stderr=True)):
        with busy(num_busy if load == "busy" else 0):
            by_setting.setdefault((label(count), load), []).append(run_child(count, num_threads, is_quick))
    return {
        label(count): {load: statistics.median(by_setting[label(count), load]) for load in ("idle", "busy")}
        for count in counts
    }


def run_child(count: int | None, num_threads: int, is_quick: bool) -> float:
    """Milliseconds of a step in its own process."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "KMP_"))}
    environ["OMP_NUM_THREADS"] = str(num_threads)
    if count is not None:
        environ["GOMP_SPINCOUNT"] = str(count)
    command = [sys.executable, __file__, "--child", *(["--quick"] if is_quick else [])]
    done = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def busy(num_processes: int) -> Iterator[None]:
    """That many processes that only count, while the context lasts."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num_processes)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure_steps(seconds: float) -> float:
    """Mean milliseconds of a step of eight rows, over at least ``seconds`` and ten steps."""
    import torch

    from rag.core.settings.config import Config
    from rag.generation.base import Prompt
    from rag.generation.load import load_generator
    from rag.generation.transformers.generator import TransformersGenerator
    from rag.generation.transformers.rows import RowBatch

    generator = load_generator(Config(engine="transformers", device="cpu"))
    assert isinstance(generator, TransformersGenerator)
    prompts = [tuple(range(100 + row, 100 + row + PROMPT_TOKENS)) for row in range(NUM_ROWS)]
    with torch.inference_mode():
        batch = RowBatch(generator.model)
        rows, _ = batch.prefill([Prompt(prompt) for prompt in prompts])

        def step() -> None:
            nonlocal rows
            rows = batch.advance([(row, 100) for row in rows])
            batch.step()

        for _ in range(NUM_WARM_UP):
            step()
        num_steps, started = 0, time.perf_counter()
        while num_steps < 10 or time.perf_counter() - started < seconds:
            step()
            num_steps += 1
        return (time.perf_counter() - started) / num_steps * 1e3


def label(count: int | None) -> str:
    """A setting in words."""
    return "unset" if count is None else str(count)


def ratios(times: Times, name: str) -> dict[str, float]:
    """A setting's figures and their ratio to the best of all settings, by load."""
    best = {load: min(row[load] for row in times.values()) for load in ("idle", "busy")}
    return {f"{load}_ms": round(times[name][load], 2) for load in best} | {
        f"{load}_ratio": round(times[name][load] / best[load], 3) for load in best
    }


def summary(times: Times) -> dict[str, object]:
    """The JSON line."""
    shipped = {"spin_count": SPIN_COUNT} | ratios(times, label(SPIN_COUNT))
    return {"shipped": shipped, "settings": {name: ratios(times, name) for name in times}}


def show(times: Times) -> None:
    """The table."""
    table = Table(title="one decoding step of 8 rows, milliseconds (ratio to the best setting)")
    for name in ("turns before sleep", "idle", "", "busy", ""):
        table.add_column(name, justify="right")
    for name in times:
        row = ratios(times, name)
        mark = " (shipped)" if name == label(SPIN_COUNT) else ""
        cells = [
            text for load in ("idle", "busy") for text in (f"{row[f'{load}_ms']:.1f}", f"{row[f'{load}_ratio']:.2f}")
        ]
        table.add_row(name + mark, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
