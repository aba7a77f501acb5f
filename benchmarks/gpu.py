"""What one GPU does without vLLM: contrastive pairs in the transformers generator, and the training of patches.

    python benchmarks/gpu.py [--quick] [--model NAME] [--parts patches skills rates tokens] [--shapes 8b] [--out FILE]

``rates``: tokens per second of plain decoding (one prompt per answer), of two streams unmixed, and of cad, adacad and
ckplug, at several batch sizes; beside them the library's own ``generate`` and the readable loop of one question at a
time. Whole answers count, prompts included; every answer runs to its full length. ``step_ms`` leaves the prompts out.
With ``--shapes`` the weights are random and of that shape: speed and memory of a larger model without its download.

``tokens``: answers in a batch of mixed lengths against the same questions one by one, in float32 and in bfloat16.

``patches``: documents per minute with profile ``fast`` (questions, training, files) against the released procedure,
and accuracy from the patch alone on the invented facts of ``data/patch_facts.jsonl``, in bfloat16 and in float32.

``skills``: tokens and examples per second of the trainer of skills (all seven projections, replies only), by the size
of a step.

A further part is one function and one entry of ``PARTS``.

Runs on a CPU too, for a trial. Prints tables, then one JSON object on the last line; ``--out`` keeps it, step by step.
A step is seconds to a minute; none starts after ``--minutes``, and what was left out is listed under ``skipped``.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
import transformers
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig
from transformers.utils import logging

from benchmarks.pair_rates import (
    ARMS,
    LIBRARY,
    Load,
    alone_tokens,
    batched_tokens,
    build_requests,
    identical,
    measure_rates,
)
from benchmarks.patch_rates import measure_patches
from benchmarks.progress import Progress
from benchmarks.skill_training import measure_training
from rag.generation.transformers import rows
from rag.generation.transformers.generator import TransformersGenerator

# (hidden size, layers, query heads, key-value heads, inner size, vocabulary, whether the head is the embedding)
SHAPES = {
    "tiny": (64, 2, 4, 2, 128, 49152, True),
    "1b": (2048, 16, 32, 8, 8192, 128256, True),
    "8b": (4096, 32, 32, 8, 14336, 128256, False),
}
DTYPES = ("bfloat16", "float32")


@dataclass(frozen=True)
class Bench:
    """What every part is handed.

    Attributes:
        place: folder or name of the model, for the loaders.
        device, dtype: of the models of ``rates``.
        dtypes: of ``patches``.
        shapes: random weights of these shapes in place of the model's, for ``rates``.
        load: of ``rates``.
        num_checked: questions of ``tokens``, asked alone and among ``max(load.batch_sizes)``.
        copies: how often ``patches`` trains the documents at once.
    """

    place: str
    device: str
    dtype: str
    shapes: tuple[str, ...]
    load: Load
    num_checked: int
    copies: tuple[int, ...]
    dtypes: tuple[str, ...]
    is_quick: bool

    def generator(self, dtype: str, shape: str = "") -> TransformersGenerator:
        """The model, or random weights of ``shape``, with room for pairs of the widest batch; no answer ends early."""
        tokenizer = AutoTokenizer.from_pretrained(self.place)
        kind: Any = getattr(torch, dtype)
        if shape:
            with torch.device(self.device):
                model = AutoModelForCausalLM.from_config(_config(shape), dtype=kind).eval()
        else:
            model = AutoModelForCausalLM.from_pretrained(self.place, dtype=kind).to(self.device).eval()
        return TransformersGenerator(model, tokenizer, shape or "model", max_rows=2 * max(self.load.batch_sizes))

    def endless(self, dtype: str, shape: str = "") -> TransformersGenerator:
        """The same, and no answer ends before its full length."""
        generator = self.generator(dtype, shape)
        generator._codec.eos = frozenset()
        return generator


def main() -> None:
    """Measure, print the tables and the JSON line."""
    args = _arguments()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    bench = Bench(
        place=_place(args.model),
        device=args.device if args.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu",
        dtype=args.dtype,
        shapes=tuple(args.shapes),
        load=Load((1, 4), 8, 2, 1, 1)
        if args.quick
        else Load(tuple(args.batch_sizes), args.max_tokens, args.num_passages, args.rounds, 2),
        num_checked=2 if args.quick else args.num_checked,
        copies=(1,) if args.quick else (1, 4, 16),
        dtypes=(args.dtype,) if args.quick else DTYPES,
        is_quick=args.quick,
    )
    if args.prefill_tokens:
        rows._PREFILL_TOKENS = args.prefill_tokens
    figures: dict[str, Any] = _machine(bench) | {"model": args.model, "prefill_tokens": rows._PREFILL_TOKENS}
    progress = Progress(figures, args.out, args.minutes)
    for part in args.parts:
        if progress.has_time(part):
            progress.say(f"{part} ...")
            PARTS[part](bench, figures.setdefault(part, {}), progress)
    progress.say("done")
    show(figures)
    print(json.dumps(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a trial of every part, on a CPU too")
    parser.add_argument("--model", default="default", help="folder, Hugging Face name, or 'default'")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--dtype", default="bfloat16", choices=DTYPES, help="of rates; the other parts take both")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS), help="what is measured")
    parser.add_argument("--shapes", nargs="*", default=[], choices=list(SHAPES), help="of rates: random weights")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--max-tokens", type=int, default=32, help="of every answer of rates")
    parser.add_argument("--num-passages", type=int, default=4, help="in every prompt, of some 110 tokens each")
    parser.add_argument("--rounds", type=int, default=1, help="of rates; the median counts")
    parser.add_argument("--num-checked", type=int, default=8, help="questions of tokens")
    parser.add_argument("--prefill-tokens", type=int, help="of one prefill forward; the engine's own number by default")
    parser.add_argument("--minutes", type=float, default=7.0, help="after these no further step starts")
    parser.add_argument("--out", type=Path, help="file for the JSON object, written after each step")
    return parser.parse_args()


def _place(model: str) -> str:
    """The folder or name to load from; only a model that is no folder needs the engine's own resolution."""
    if Path(model).is_dir():
        return model
    from rag.core.settings.config import Config
    from rag.models.resolve import resolve_generator

    return resolve_generator(Config(model=model))[1]


def _config(shape: str) -> LlamaConfig:
    hidden, layers, heads, kv_heads, inner, vocabulary, is_tied = SHAPES[shape]
    return LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=inner,
        vocab_size=vocabulary,
        tie_word_embeddings=is_tied,
        max_position_embeddings=8192,
    )


def _machine(bench: Bench) -> dict[str, Any]:
    is_cuda = bench.device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if is_cuda else platform.processor() or "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "dtype": bench.dtype,
    }


# ---- parts


def rates(bench: Bench, figures: dict[str, Any], progress: Progress) -> None:
    """Speed and memory, by model."""
    for shape in bench.shapes or ("",):
        name = shape or "model"
        if progress.has_time(name):
            measure_rates(bench.endless(bench.dtype, shape), bench.load, figures.setdefault(name, {}), name, progress)
            _free()


def tokens(bench: Bench, figures: dict[str, Any], progress: Progress) -> None:
    """Share of equal answers: in a batch against alone, by type; and of the two types against each other."""
    alone = {}
    num_tokens = min(bench.load.max_tokens, 24)
    figures |= {"num_tokens": num_tokens, "num_checked": bench.num_checked, "num_at_once": max(bench.load.batch_sizes)}
    for dtype in DTYPES:
        generator = bench.endless(dtype)
        requests = build_requests(generator, bench.load, max(bench.load.batch_sizes))
        alone[dtype] = alone_tokens(generator, requests[: bench.num_checked], num_tokens)
        batched = batched_tokens(generator, requests, num_tokens, bench.num_checked)
        figures[dtype] = identical(alone[dtype], batched)
        progress.say(f"  {dtype}, batched against alone: {figures[dtype]['answers']:.3f} of the answers are equal")
        _free()
    figures["bfloat16_against_float32"] = identical(alone["float32"], alone["bfloat16"])


def patches(bench: Bench, figures: dict[str, Any], progress: Progress) -> None:
    """Training and accuracy, by type."""
    for dtype in bench.dtypes:
        if progress.has_time(f"patches, {dtype}"):
            progress.say(f"  {dtype}")
            generator = bench.generator(dtype)
            measure_patches(generator, bench.copies, bench.is_quick, figures.setdefault(dtype, {}), progress)
            _free()


def skills(bench: Bench, figures: dict[str, Any], progress: Progress) -> None:
    """Training of one adapter by many examples."""
    sizes = (512,) if bench.is_quick else (4096, 16384, 65536)
    measure_training(bench.generator(bench.dtype), sizes, figures, progress)
    _free()


PARTS: dict[str, Callable[[Bench, dict[str, Any], Progress], None]] = {
    "patches": patches,
    "skills": skills,
    "rates": rates,
    "tokens": tokens,
}


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# ---- tables


def show(figures: dict[str, Any]) -> None:
    """One table for each model of ``rates``, and one for the rest."""
    console = Console(width=160)
    console.print(", ".join(f"{name} {figures[name]}" for name in ("device", "torch", "transformers", "dtype")))
    for model, by_model in figures.get("rates", {}).items():
        console.print(_rate_table(model, by_model))
    rest: dict[str, Any] = {name: figures[name] for name in ("tokens", "patches", "skills") if name in figures}
    table = Table("figure", "measured", title="tokens, patches and skills")
    for name, value in _flat(rest):
        table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    if rest:
        console.print(table)


def _rate_table(model: str, figures: dict[str, Any]) -> Table:
    arms = [*ARMS, LIBRARY]
    table = Table(title=f"{model}: tokens per second, milliseconds of a step, MiB at most")
    for column in ("at once", *arms, "adacad over plain", "over two streams", "over one at a time"):
        table.add_column(column, justify="right")
    for size, measured in figures["at_once"].items():
        arm_rates = [measured["rates"][arm] for arm in arms]
        cells = [f"{r['tokens_per_s']:.1f}, {r['step_ms']:.1f}, {r['peak_mib']:.0f}" for r in arm_rates]
        ratios = (
            measured["over_plain"]["adacad"],
            measured["over_two_streams"]["adacad"],
            measured["adacad_over_one_at_a_time"],
        )
        table.add_row(size, *cells, *(f"{ratio:.3f}" for ratio in ratios))
    return table


def _flat(figures: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Names with dots for nested figures."""
    lines: list[tuple[str, Any]] = []
    for name, value in figures.items():
        lines += _flat(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", value)]
    return lines


if __name__ == "__main__":
    main()
