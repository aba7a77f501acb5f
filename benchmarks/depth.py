"""Depth: what excerpts, atomic questions, thoughts and notes do, and what they cost.

    python benchmarks/depth.py [--quick] [--only PART ...] [--questions N] [--data FOLDER]

Parts: ``compression`` (the option ``compress``: answers of the default model with its reader, from all of the passages'
text and from half of it), and three experiments that are no part of the product: ``atomic`` (questions of each passage
as a second dense entry), ``thought`` (the model's own answer is searched for too), ``notes`` and ``notes_by_model``
(rounds with notes, kept if the verifier finds them better, beside the product's rounds; the nearest sentences are the
notes, or the model writes them). Recall is at 5. Differences are paired, with their 95 %
interval: an interval that contains 0 shows no order. Times depend on what else the machine does; those of one line were
taken in turns.

Prints progress to stderr, tables, then one JSON object on the last line. ``--quick`` takes few questions among a part
of the passages, and leaves out ``notes_by_model``. Needs the data sets next to the checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks.atomic import atomic_figures
from benchmarks.compression import compression_figures
from benchmarks.sets import DATA, TestSet, load
from benchmarks.thoughts import notes_figures, thought_figures
from rag.core.process.threads import configure_threads
from rag.core.settings.config import Config
from rag.generation.base import Generator
from rag.generation.load import load_generator
from rag.models.sentence_encoder import RecentEncoder, SentenceEncoder

PARTS = ("compression", "atomic", "thought", "notes", "notes_by_model")
SETS = ("hotpotqa", "musique", "squad2")
SHARES = (1.0, 0.5)
# Questions of each set: where a model writes, few.
NUM_QUESTIONS = {"compression": 20, "atomic": 100, "thought": 20, "notes": 100, "notes_by_model": 20}
QUICK_QUESTIONS = {"compression": 2, "atomic": 20, "thought": 4, "notes": 10, "notes_by_model": 2}
# Of the passages that no question needs, only each such one.
QUICK_STEP = 16


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under three minutes; few questions")
    parser.add_argument("--only", nargs="*", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--questions", type=int, help="of each set; by default 100, 20 where the model writes")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    if not (args.data / "hotpotqa").is_dir():
        raise SystemExit(f"no data sets at {args.data}; give their folder with --data")
    if args.questions is not None and args.questions < 2:
        raise SystemExit(f"--questions {args.questions}; expected 2 or more, so that differences have an interval")
    configure_threads()
    parts = args.only or (PARTS[:-1] if args.quick else PARTS)
    result = Benchmark(args.data, args.questions, is_quick=args.quick).measure(tuple(parts))
    show(result)
    print(json.dumps(result))


class Benchmark:
    """The parts, over one encoder and one generator."""

    def __init__(self, data: Path, num_questions: int | None, *, is_quick: bool) -> None:
        self._data = data
        self._asked = num_questions
        self._is_quick = is_quick
        self._encoder = SentenceEncoder(Config())
        self._shared = RecentEncoder(self._encoder, size=400_000)

    def measure(self, parts: tuple[str, ...]) -> dict[str, Any]:
        """The figures of these parts."""
        started = time.perf_counter()
        result: dict[str, Any] = {}
        if "compression" in parts:
            say("answers from excerpts")
            number = self._number("compression")
            result["compression"] = compression_figures(self._data, self._encoder, self._generator, number, SHARES)
        measures: dict[str, tuple[tuple[str, ...], Callable[[TestSet], dict[str, Any]]]] = {
            "atomic": (SETS, lambda test_set: atomic_figures(test_set, self._shared, self._encoder)),
            "thought": (SETS, lambda test_set: thought_figures(test_set, self._shared, self._generator)),
            "notes": (SETS[:2], lambda test_set: notes_figures(test_set, self._shared)),
            "notes_by_model": (SETS[:2], lambda test_set: notes_figures(test_set, self._shared, self._generator)),
        }
        for part in (part for part in measures if part in parts):
            names, measure = measures[part]
            for name in names:
                say(f"{part} on {name}")
                with tempfile.TemporaryDirectory() as folder:
                    step = QUICK_STEP if self._is_quick else 1
                    test_set = load(self._data, name, Path(folder), self._shared, self._number(part), step)
                    result.setdefault(part, {})[name] = measure(test_set)
                    test_set.library.close()
        return {**result, "quick": self._is_quick, "seconds": round(time.perf_counter() - started, 1)}

    @cached_property
    def _generator(self) -> Generator:
        return load_generator(Config())

    def _number(self, part: str) -> int:
        return self._asked or (QUICK_QUESTIONS if self._is_quick else NUM_QUESTIONS)[part]


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


def show(result: dict[str, Any]) -> None:
    """One table for each part."""
    console = Console(width=132)
    for part in PARTS[1:]:
        if part in result:
            table = Table("way", *result[part], title=f"{part}: recall@5, difference, added ms")
            ways = next(iter(result[part].values()))
            for way in (way for way, figures in ways.items() if isinstance(figures, dict) and "all" in figures):
                table.add_row(way, *(show_cell(figures[way]) for figures in result[part].values()))
            console.print(table)
    if "compression" in result:
        names = ("set", "asked", "share", "right", "difference", "prompt tokens", "voices' tokens", "s a question")
        table = Table(*names, title="answers from excerpts")
        for name, kinds in result["compression"].items():
            for kind, shares in kinds.items():
                for share, row in shares.items():
                    cells = (f"{row['right']:.3f}", show_interval(row["difference"]))
                    more = (row["prompt_tokens"], row["voice_tokens"], row["seconds"])
                    table.add_row(name, kind, share, *cells, *map(str, more))
        console.print(table)


def show_cell(figures: dict[str, Any]) -> str:
    """Recall, its difference, and its time."""
    added = f", {figures['added_ms']:g} ms" if figures.get("added_ms") else ""
    difference = f" ({show_interval(figures['difference'])})" if any(figures["difference"]) else ""
    return f"{figures['all']:.3f}{difference}{added}"


def show_interval(values: list[float]) -> str:
    """A difference with its interval."""
    return f"{values[0]:+.3f} [{values[1]:+.3f}, {values[2]:+.3f}]"


if __name__ == "__main__":
    main()
