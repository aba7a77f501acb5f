"""What each decoder does to a small model's answers, on conflict pairs; and how well conflicts are detected.

    python benchmarks/conflict.py [--quick] [--data FILE] [--model NAME] [--max-tokens N] [--folder FOLDER]

Three arms: the passage contradicts the common answer, agrees with it, or belongs to another question. Every decoder
answers from the same prompts in one batch, so each prompt is read once. Detection asks ``data/facts.jsonl``, facts
that small models know, with agreeing and conflicting passages. Prints tables, then one JSON object on the last line.

``--quick`` asks for 10 tokens, and takes the 100 pairs with the shortest passages, since reading prompts is most of the
cost, and 40 facts. It leaves the irrelevant arm out: all figures there are near 0, and 100 pairs show no order among
them. Figures come with intervals. The second table says whether two decoders can be told apart: it shows the paired
difference from plain, and an interval that contains 0 shows no order.

Needs the pairs next to the checkout, or ``--data`` with a file of the same fields. With ``--folder`` a killed run
continues where it stopped. The comparison table of the same arms: ``concord eval table benchmarks/tables/*.toml``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import scipy.stats
from rich.console import Console
from rich.table import Table

from benchmarks.sets import area_under_curve
from eval.metrics.answers import contains_answer
from eval.metrics.stats import Interval, show_confidence
from eval.records import ConflictSummary, Record
from eval.run.config import RunConfig
from eval.studies.comparison_table import Cell, TableConfig, TableLine, figures, run_table
from eval.studies.engines import Engines
from rag.cli.common import counting_bar

HERE = Path(__file__).resolve().parent
PAIRS = HERE.parent.parent / "shared" / "data" / "nq_synth" / "nq_synth_dev.jsonl"
FACTS = HERE / "data" / "facts.jsonl"
NUM_QUICK, NUM_QUICK_FACTS = 100, 40
ARMS = ("conflicting", "agreeing", "irrelevant")
QUICK_ARMS = ARMS[:2]
ALPHAS = ("1", "0.75", "0.5", "0.25", "0")
DECODERS: dict[str, dict[str, Any]] = {
    "memory": {"decoder": "memory"},
    "plain": {"decoder": "plain"},
    "cad": {"decoder": "cad", "alpha": 1.0},
    "adacad": {"decoder": "adacad"},
    "coiecd": {"decoder": "coiecd"},
    **{f"ckplug {alpha}": {"decoder": "ckplug", "alpha": float(alpha)} for alpha in ALPHAS},
    "ckplug auto": {"decoder": "ckplug", "alpha": "auto"},
}
SHOWN = {
    "conflicting: ConR": ("conflicting", "conr"),
    "ParR": ("conflicting", "parr"),
    "MR": ("conflicting", "mr"),
    "agreeing: accuracy": ("agreeing", "accuracy"),
    "irrelevant: accuracy": ("irrelevant", "accuracy"),
}


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="the 100 pairs with the shortest passages, under three minutes"
    )
    parser.add_argument("--data", type=Path, default=PAIRS, help="JSONL of conflict pairs")
    parser.add_argument("--model", default="default", help="generator")
    parser.add_argument("--max-tokens", type=int, help="longest answer; 14, or 10 if quick")
    parser.add_argument("--folder", type=Path, help="folder for the result files; without it they are not kept")
    args = parser.parse_args()
    if not args.data.is_file():
        raise SystemExit(f"no conflict pairs at {args.data}; give a file with --data")
    max_tokens = args.max_tokens or (10 if args.quick else 14)
    # The decoders' own answers: a verdict would repair them, and a reader would answer in the model's place.
    engine = {"model": args.model, "verdict": False, "skill": "none"}
    base = {"dataset": "nq_synth", "max_tokens": max_tokens, "batch_size": 25, "engine": engine}
    console = Console(width=132)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        data = shortest_pairs(args.data, folder) if args.quick else args.data
        cells = run_table(decoder_table(base | {"data": str(data)}, args.quick), folder, watch=counting_bar)
        show(console, cells)
        show_differences(console, cells)
        facts = {"data": str(FACTS), "decoder": "plain", "limit": NUM_QUICK_FACTS if args.quick else None}
        detection = detect(RunConfig.from_values(base | facts), folder)
    low, high = detection["auc_low"], detection["auc_high"]
    console.print(
        f"detection: of {detection['num_known']} known facts, AUC of the conflict score {detection['auc']:.3f} "
        f"[{low:.3f}, {high:.3f}]; flagged {detection['flagged_conflicting']:.2f} of conflicting and "
        f"{detection['flagged_agreeing']:.2f} of agreeing passages"
    )
    print(json.dumps(summary(cells) | {"detection": detection}))


def shortest_pairs(file: Path, folder: Path) -> Path:
    """A file of the :data:`NUM_QUICK` pairs with the shortest passages, in their order."""
    lines = file.read_text(encoding="utf-8").splitlines()
    lengths = [len(row["agreeing_context"] + row["conflicting_context"]) for row in map(json.loads, lines)]
    chosen = sorted(sorted(range(len(lines)), key=lambda index: lengths[index])[:NUM_QUICK])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "quick-pairs.jsonl"
    path.write_text("".join(lines[index] + "\n" for index in chosen), encoding="utf-8")
    return path


def decoder_table(base: dict[str, Any], is_quick: bool) -> TableConfig:
    """All decoders in all arms, compared with plain."""
    return TableConfig(
        base=base,
        rows=tuple(TableLine(name=name, **settings) for name, settings in DECODERS.items()),
        columns=tuple(TableLine(name=arm, arm=arm) for arm in (QUICK_ARMS if is_quick else ARMS)),
        metrics=("accuracy", "conr", "parr", "mr"),
        baseline="plain",
    )


def detect(config: RunConfig, folder: Path) -> dict[str, float]:
    """How well the conflict score tells conflicting from agreeing passages on facts that the model knows."""
    with Engines(folder, limit=config.limit) as engines:
        agreeing, conflicting = (
            engines.evaluate(config.changed(arm=arm), folder / f"facts-{arm}.jsonl").run.records
            for arm in ("agreeing", "conflicting")
        )
    known = [contains_answer(trace(record).memory_answer, record.references) > 0 for record in agreeing]
    low, high = (
        [trace(record) for record, is_known in zip(records, known, strict=True) if is_known]
        for records in (agreeing, conflicting)
    )
    scores = [item.score for item in high], [item.score for item in low]
    auc_low, auc_high = auc_interval(*scores)
    return {
        "num_known": len(low),
        "auc": area_under_curve(*scores),
        "auc_low": auc_low,
        "auc_high": auc_high,
        "flagged_conflicting": float(np.mean([item.is_conflict for item in high])),
        "flagged_agreeing": float(np.mean([item.is_conflict for item in low])),
    }


def auc_interval(positive: Sequence[float], negative: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the area under the curve; facts are resampled with both their scores."""
    if len(positive) < 2:  # no spread to resample
        value = area_under_curve(positive, negative)
        return value, value
    result = scipy.stats.bootstrap(
        (positive, negative),
        area_under_curve,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def trace(record: Record) -> ConflictSummary:
    """The conflict report of an answer."""
    if record.conflict is None:
        raise SystemExit(f"the fact {record.question!r} was not answered: {record.error}")
    return record.conflict


def measured(cells: Sequence[Cell]) -> dict[str, tuple[str, str]]:
    """The columns of :data:`SHOWN` whose arm was asked."""
    arms = {cell.column for cell in cells}
    return {name: (arm, metric) for name, (arm, metric) in SHOWN.items() if arm in arms}


def show(console: Console, cells: Sequence[Cell]) -> None:
    """Shares with their bootstrap intervals."""
    scores = {
        (cell.column, item.metric, cell.row): item.interval for cell in cells for item in cell.evaluation.summary.scores
    }
    first = cells[0].evaluation.summary
    num_pairs, confidence = first.num_trials, show_confidence(first.confidence)
    shown = Table(title=f"{num_pairs} pairs; share of answers that contain ... [{confidence} interval]")
    shown.add_column("decoder")
    columns = measured(cells)
    for name in columns:
        shown.add_column(name, justify="right")
    for decoder in DECODERS:
        intervals = [scores[column, metric, decoder] for column, metric in columns.values()]
        shown.add_row(decoder, *(f"{item.value:.3f} [{item.low:.2f}, {item.high:.2f}]" for item in intervals))
    console.print(shown)


def show_differences(console: Console, cells: Sequence[Cell]) -> None:
    """Paired differences from plain; ``*`` where the interval does not contain 0."""
    tests = {(cell.column, item.metric, cell.row): item.test.interval for cell in cells for item in cell.differences}
    columns = measured(cells)
    shown = Table("decoder", *columns, title="minus plain, pair by pair [paired bootstrap interval]; * not 0")
    for decoder in (name for name in DECODERS if name != "plain"):
        intervals = [tests.get((column, metric, decoder)) for column, metric in columns.values()]
        shown.add_row(decoder, *("-" if item is None else difference_text(item) for item in intervals))
    console.print(shown)


def difference_text(item: Interval) -> str:
    """A difference with its interval."""
    mark = "" if item.low <= 0 <= item.high else "*"
    return f"{item.value:+.3f}{mark} [{item.low:+.2f}, {item.high:+.2f}]"


def summary(cells: Sequence[Cell]) -> dict[str, Any]:
    """The JSON object, without detection."""
    values = figures(cells)
    pairs = values["conflicting"]
    return {
        "num_pairs": cells[0].evaluation.summary.num_trials,
        "mr_ckplug": {alpha: pairs[f"ckplug {alpha}"]["mr"] for alpha in ALPHAS},
        "conr": {name: row["conr"] for name, row in pairs.items()},
        "parr": {name: row["parr"] for name, row in pairs.items()},
        "agreeing_accuracy": {name: row["accuracy"] for name, row in values["agreeing"].items()},
        "irrelevant_accuracy": {name: row["accuracy"] for name, row in values.get("irrelevant", {}).items()},
        "minus_plain": differences(cells),
    }


def differences(cells: Sequence[Cell]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Paired differences from plain by arm, decoder and metric: value, low, high."""
    by_arm: dict[str, dict[str, dict[str, list[float]]]] = {}
    for cell in cells:
        intervals = {item.metric: item.test.interval for item in cell.differences}
        figures = {metric: [item.value, item.low, item.high] for metric, item in intervals.items()}
        by_arm.setdefault(cell.column, {})[cell.row] = figures
    return by_arm


if __name__ == "__main__":
    main()
