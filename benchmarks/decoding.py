"""Speed of the batched engine against the readable one-question-at-a-time twin, on the same prompts in one run.

    python benchmarks/decoding.py [--quick] [--model NAME] [--num-prompts N] [--max-tokens N] [--num-documents N]
                                  [--stop-at-end]

Every answer runs to its full length, as serving benchmarks do, unless ``--stop-at-end``: then answers end where the
model ends them, after some 15 tokens, and reading the prompts, equal work for both, is most of the time.

Both decode AdaCAD greedily with key-value caches and give the same tokens; the engine is timed without probes (the
twin has none) and with them. Prints a table, then one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from decoders.params import AdaCad
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.core.settings.config import Config
from rag.generation.base import Generation, Request
from rag.generation.load import load_generator
from rag.ingest.gather import gather
from rag.ingest.load import load
from tests.oracles import twin

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="16 prompts of 16 tokens, under three minutes")
    parser.add_argument("--model", default="default", help="generator")
    parser.add_argument("--num-prompts", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--num-documents", type=int, default=1, help="documents in each prompt")
    parser.add_argument("--stop-at-end", action="store_true", help="let end-of-text end an answer")
    args = parser.parse_args()
    num_prompts, max_tokens = (16, 16) if args.quick else (args.num_prompts, args.max_tokens)
    generator = load_generator(Config(model=args.model))
    requests = [
        replace(r, has_probes=False) for r in build_requests(generator, args.num_documents, num_prompts, max_tokens)
    ]
    if not args.stop_at_end:
        generator._codec.eos = frozenset()
    model, eos = generator._model, generator._codec.eos
    generator.generate(requests[:2])  # the first forward of a process allocates; both sides are spared it

    def one_at_a_time() -> list[int]:
        runs = [twin.generate(model, r.context_ids, r.parametric_ids, twin.adacad, max_tokens, eos) for r in requests]
        return [len(tokens) for tokens in runs]

    def batched(has_probes: bool) -> Callable[[], list[int]]:
        batch = [replace(request, has_probes=has_probes) for request in requests]
        return lambda: [num_tokens(generation) for generation in generator.generate(batch)]

    runs: dict[str, Callable[[], list[int]]] = {
        "one at a time": one_at_a_time,
        "batched": batched(False),
        "batched, with probes": batched(True),
    }
    rates, counts = {}, {}
    for name, run in runs.items():
        started = time.perf_counter()
        counts[name] = run()
        rates[name] = sum(counts[name]) / (time.perf_counter() - started)
    table = Table(title=f"AdaCAD, {num_prompts} prompts, up to {max_tokens} tokens")
    for column in ("engine", "tokens/s", "ratio"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.1f}", f"{rate / rates['one at a time']:.2f}")
    Console().print(table)
    result: dict[str, Any] = {
        "speedup_over_one_at_a_time": rates["batched"] / rates["one at a time"],
        "speedup_with_probes": rates["batched, with probes"] / rates["one at a time"],
        "tokens_per_s": rates,
        "same_lengths": counts["batched"] == counts["one at a time"],
        "num_prompts": num_prompts,
        "max_tokens": max_tokens,
        "num_documents": args.num_documents,
        "stop_at_end": args.stop_at_end,
    }
    print(json.dumps(result))


def build_requests(generator: Any, num_documents: int, num_prompts: int, max_tokens: int) -> list[Request]:
    """Questions about the example corpus, each with its own document and those that follow as passages."""
    texts = {}
    for source in gather([ROOT / "examples" / "corpus"]).sources:
        loaded = load(source, source.read())
        texts[Path(source.name).name] = Passage(source.doc_id, source.doc_id, source.name, loaded.title, loaded.text)
    lines = (ROOT / "examples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    names = sorted(texts)
    requests = []
    for number in range(num_prompts):
        row = rows[number % len(rows)]
        first = names.index(row["source"])
        passages = [texts[names[(first + offset) % len(names)]] for offset in range(num_documents)]
        pair = build_prompts(row["question"], passages)
        ids = generator.encode(pair.context), generator.encode(pair.parametric)
        requests.append(Request.pair(*ids, AdaCad(), Sampling(max_tokens=max_tokens)))
    return requests


def num_tokens(generation: Generation) -> int:
    """Tokens of an answer, end-of-text left out as the twin does."""
    return len(generation.token_ids)


if __name__ == "__main__":
    main()
