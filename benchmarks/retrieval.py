"""Retrieval figures: recall by stage on two multi-hop sets, judges, question cache, walker, speed of PageRank.

    python benchmarks/retrieval.py [--quick] [--data FOLDER]

Prints progress to stderr, tables, then one JSON object on the last line. ``--quick`` asks the walker every eighth
question and squad2 every ninth, and takes times over every third question. It leaves out further rounds, the figures
of 100,000 passages (those of ``benchmarks/scale.py``), of the cache without the filter, and of the generator (model
judge and rewriter). All other figures are the full ones. ``all_minus`` has the paired difference of the whole pipeline
from every stage, with its 95 % interval: an interval that contains 0 shows no order.

The settings were chosen on the even-numbered questions (0, 2, ...). ``all_odd`` is the figure of the others, and so are
``filter_auc`` and ``answerable_auc``. Needs the data sets next to the checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks.graph_figures import pagerank_figures, walker_figures
from benchmarks.judging import answerable_auc, filter_auc, rewriting
from benchmarks.question_cache import question_cache_figures
from benchmarks.recall import TOP_K, ms_per_question, rounds_figures, stages
from benchmarks.scale import measure as scale_figures
from benchmarks.sets import DATA, load
from rag.core.settings.config import Config
from rag.generation.load import load_generator
from rag.models.sentence_encoder import RecentEncoder, SentenceEncoder

SETS = ("hotpotqa", "musique")
# Recall is over one in three of its answerable questions, to save time.
SQUAD_STEP = 3


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under three minutes; leaves out what is above")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    if not (args.data / "hotpotqa").is_dir():
        raise SystemExit(f"no data sets at {args.data}; give their folder with --data")
    started = time.perf_counter()
    # Before the encoder and its threads are there: this one is about time.
    result: dict[str, Any] = {**pagerank_figures(args.data)}
    encoder = SentenceEncoder(Config())
    # Figures without times share vectors; times are taken with the encoder itself.
    shared = RecentEncoder(encoder, size=200_000)
    generator = None if args.quick else load_generator(Config())
    differences: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sets = {}
        for name in (*SETS, "squad2"):
            say(f"reading {name}")
            sets[name] = load(args.data, name, Path(folder), shared)
        for name in SETS:
            say(f"recall on {name}")
            result[name], differences[name] = stages(sets[name], args.data, shared)
            result[f"{name}_ms_per_question"] = ms_per_question(sets[name], encoder, args.quick)
            result.setdefault("filter_auc", {})[name] = filter_auc(sets[name], shared, generator)
            if not args.quick:
                result[f"{name}_rounds"] = rounds_figures(sets[name], shared, encoder)
            if generator is not None:
                result.setdefault("rewriting", {})[name] = rewriting(sets[name], encoder, generator)
        say("recall, support and memory on squad2")
        squad = sets["squad2"]
        answerable = [i for i, gold in enumerate(squad.gold) if gold]
        sample = squad.part(answerable[:: SQUAD_STEP * (3 if args.quick else 1)])
        result["squad2"], differences["squad2"] = stages(sample, args.data, shared)
        result["squad2_ms_per_question"] = ms_per_question(sample, encoder, args.quick)
        foreign = [question for name in SETS for question in sets[name].questions[1::2]]
        result["answerable_auc"] = answerable_auc(squad, foreign, shared, generator)
        result["reservoir"] = question_cache_figures(squad, encoder, args.quick)
        for each in sets.values():
            each.library.close()
    say("walking PathQuestion")
    result |= walker_figures(args.data, encoder, args.quick)
    if not args.quick:
        result |= scale_figures(data=args.data)
    result["all_minus"] = differences
    result["quick"], result["seconds"] = args.quick, round(time.perf_counter() - started, 1)
    show(result)
    print(json.dumps(result))


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


def show(result: dict[str, Any]) -> None:
    """The figures as two tables."""
    sets = (*SETS, "squad2")
    table = Table("stage", *sets, title=f"recall@{TOP_K} by stage")
    for stage in dict.fromkeys(stage for name in sets for stage in result[name]):
        cells = [result[name].get(stage) for name in sets]
        table.add_row(stage, *("" if cell is None else f"{cell:.3f}" for cell in cells))
    table.add_row("ms per question", *(str(result[f"{name}_ms_per_question"]) for name in sets))
    more = Table("figure", "value", title="and more")
    for key, value in flat(result):
        if key.split(".")[0] not in sets:
            more.add_row(key, show_value(value))
    Console().print(table, more)


def show_value(value: Any) -> str:
    """A figure, or a difference with its interval, as text."""
    match value:
        case [difference, low, high]:
            return f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"
        case float():
            return f"{value:.4g}"
    return str(value)


def flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested keys joined by dots."""
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        pairs += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return pairs


if __name__ == "__main__":
    main()
