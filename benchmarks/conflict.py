"""What each decoder does to a small model's answers, on conflict pairs; and how well conflicts are detected.

    python benchmarks/conflict.py [--quick] [--data FILE] [--model NAME] [--max-tokens N] [--folder FOLDER]

Three arms: the passage contradicts the common answer, agrees with it, or belongs to another question. Every decoder
answers from the same prompts in one batch, so each prompt is read once. Detection asks ``data/facts.jsonl``, facts
that small models know, with agreeing and conflicting passages. Prints tables, then one JSON object on the last line.
Needs the pairs beside the checkout, or ``--data`` with a file of the same fields. With ``--folder`` a killed run goes
on where it stopped. The standing table of the same arms, with tests: ``concord eval table benchmarks/tables/*.toml``.
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
from rich.console import Console
from rich.table import Table

from benchmarks.sets import area_under_curve
from eval.metrics.answers import contains_answer
from eval.records import ConflictSummary, Record
from eval.run.config import RunConfig
from eval.studies.comparison_table import Cell, TableConfig, TableLine, figures, run_table
from eval.studies.engines import Engines
from rag.cli.common import counting_bar

HERE = Path(__file__).resolve().parent
PAIRS = HERE.parent.parent / "shared" / "data" / "nq_synth" / "nq_synth_dev.jsonl"
FACTS = HERE / "data" / "facts.jsonl"
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
    parser.add_argument("--quick", action="store_true", help="the first 15 pairs and 16 facts, under three minutes")
    parser.add_argument("--data", type=Path, default=PAIRS, help="JSONL of conflict pairs")
    parser.add_argument("--model", default="default", help="generator")
    parser.add_argument("--max-tokens", type=int, default=14, help="longest answer")
    parser.add_argument("--folder", type=Path, help="where result files are kept; by default they are not")
    args = parser.parse_args()
    if not args.data.is_file():
        raise SystemExit(f"no conflict pairs at {args.data}; give a file with --data")
    base = {"dataset": "nq_synth", "max_tokens": args.max_tokens, "batch_size": 25, "engine": {"model": args.model}}
    table = TableConfig(
        base=base | {"data": str(args.data), "limit": 15 if args.quick else None},
        rows=tuple(TableLine(name=name, **settings) for name, settings in DECODERS.items()),
        columns=tuple(TableLine(name=arm, arm=arm) for arm in ("conflicting", "agreeing", "irrelevant")),
        metrics=("accuracy", "conr", "parr", "mr"),
        baseline="plain",
    )
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        cells = run_table(table, folder, watch=counting_bar)
        show(console, cells)
        facts = base | {"data": str(FACTS), "limit": 16 if args.quick else None, "decoder": "plain"}
        detection = detect(RunConfig.from_values(facts), folder)
    console.print(
        f"detection: of {detection['num_known']} known facts, AUC of the conflict score {detection['auc']:.3f}; "
        f"flagged {detection['flagged_conflicting']:.2f} of conflicting and {detection['flagged_agreeing']:.2f} of "
        "agreeing passages"
    )
    print(json.dumps(summary(cells) | {"detection": detection}))


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
    return {
        "num_known": len(low),
        "auc": area_under_curve([item.score for item in high], [item.score for item in low]),
        "flagged_conflicting": float(np.mean([item.is_conflict for item in high])),
        "flagged_agreeing": float(np.mean([item.is_conflict for item in low])),
    }


def trace(record: Record) -> ConflictSummary:
    """The conflict report of an answer."""
    if record.conflict is None:
        raise SystemExit(f"the fact {record.question!r} was not answered: {record.error}")
    return record.conflict


def show(console: Console, cells: Sequence[Cell]) -> None:
    """Shares with 95 % bootstrap intervals."""
    scores = {
        (cell.column, item.metric, cell.row): item.interval for cell in cells for item in cell.evaluation.summary.scores
    }
    num_pairs = cells[0].evaluation.summary.num_trials
    shown = Table(title=f"{num_pairs} pairs; share of answers that contain ... [95 % interval]")
    shown.add_column("decoder")
    for name in SHOWN:
        shown.add_column(name, justify="right")
    for decoder in DECODERS:
        found = [scores[column, metric, decoder] for column, metric in SHOWN.values()]
        shown.add_row(decoder, *(f"{item.value:.3f} [{item.low:.2f}, {item.high:.2f}]" for item in found))
    console.print(shown)


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
        "irrelevant_accuracy": {name: row["accuracy"] for name, row in values["irrelevant"].items()},
    }


if __name__ == "__main__":
    main()
