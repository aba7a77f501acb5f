"""What a larger model buys: memory, time and right answers, for the default model and any others.

    python benchmarks/models.py [--quick] [--model NAME ...] [--pairs N] [--data FILE]

NAME is whatever ``--model`` of the other commands takes: a folder, a .gguf file, a hub's name. Each model runs in a
process of its own on two threads. Memory and seconds are measured first, with one question at a time: the question,
one passage, an answer of at most 14 tokens by the default decoder. Then the share of right answers is measured, where
the passage conflicts with the common answer (right is what the passage says) and where it agrees. Prints a table in
Markdown, then one JSON object on the last line. ``--quick`` is for one small model: 60 pairs, under three minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.conflict import PAIRS
from eval.run.config import RunConfig
from eval.studies.comparison_table import TableConfig, TableLine, run_table
from eval.studies.engines import Engines
from rag.core.settings.config import Config

ROOT = Path(__file__).resolve().parent.parent
ARMS = ("conflicting", "agreeing")
NUM_TIMED = 12
MAX_TOKENS = 14
NUM_THREADS = "2"


def main() -> None:
    """Measure each model, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 pairs")
    parser.add_argument("--model", action="append", default=[], help="measure this model too; may be repeated")
    parser.add_argument("--pairs", type=int, default=100, help="pairs of passages to ask about")
    parser.add_argument("--data", type=Path, default=PAIRS, help="JSONL of conflict pairs")
    parser.add_argument("--only", help=argparse.SUPPRESS)  # the model that this process measures
    args = parser.parse_args()
    if not args.data.is_file():
        raise SystemExit(f"no conflict pairs at {args.data}; give a file with --data")
    num_pairs = 60 if args.quick else args.pairs
    if args.only:
        print(json.dumps(measure(args.only, args.data, num_pairs)))
        return
    results = {name: in_own_process(name, args.data, num_pairs) for name in ("default", *args.model)}
    print(table(results, num_pairs))
    print(json.dumps({"num_pairs": num_pairs, "models": results}))


def in_own_process(name: str, data: Path, num_pairs: int) -> dict[str, Any]:
    """The figures of one model. It is converted or downloaded before, so that no figure holds that."""
    environment = os.environ | {"OMP_NUM_THREADS": NUM_THREADS, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "rag", "models", "get", name], env=environment, check=True)
    options = ["--only", name, "--data", str(data), "--pairs", str(num_pairs)]
    done = subprocess.run([sys.executable, __file__, *options], env=environment, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(name: str, data: Path, num_pairs: int) -> dict[str, Any]:
    """Peak memory and seconds of single questions, then the shares of right answers."""
    from rag.models.sentence_encoder import SentenceEncoder

    base = {
        "dataset": "nq_synth",
        "data": str(data),
        "max_tokens": MAX_TOKENS,
        "engine": {"model": name, "verdict": False, "skill": "none"},
    }
    SentenceEncoder(Config()).encode(["what a real process has loaded too"])
    with tempfile.TemporaryDirectory() as scratch, Engines(Path(scratch), limit=num_pairs) as engines:
        timed = RunConfig.from_values(
            base | {"arm": "conflicting", "batch_size": 1, "limit": NUM_TIMED, **default_decoder()}
        )
        costs = engines.evaluate(timed, Path(scratch) / "timed.jsonl").summary.costs
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
        shares = right_answers(base | {"limit": num_pairs, "batch_size": 8}, Path(scratch), engines)
    return {"peak_bytes": peak, "seconds_per_answer": costs.latency_p50_ms / 1000, **shares}


def right_answers(base: dict[str, Any], folder: Path, engines: Engines) -> dict[str, dict[str, list[float]]]:
    """Share of right answers with its 95 % interval, by arm and decoder."""
    settings = TableConfig(
        base=base,
        rows=(TableLine(name="plain", decoder="plain"), TableLine(name="default", **default_decoder())),
        columns=tuple(TableLine(name=arm, arm=arm) for arm in ARMS),
        metrics=("accuracy",),
    )
    shares: dict[str, dict[str, list[float]]] = {arm: {} for arm in ARMS}
    for cell in run_table(settings, folder, engines.evaluate_together):
        interval = cell.evaluation.summary.scores[0].interval
        shares[cell.column][cell.row] = [interval.value, interval.low, interval.high]
    return shares


def default_decoder() -> dict[str, Any]:
    """The default decoder."""
    return {"decoder": Config().decoder}


def table(results: dict[str, dict[str, Any]], num_pairs: int) -> str:
    """Markdown: one row a model."""
    headings = ["model", "peak memory", "seconds per answer"]
    headings += [f"{arm}, {row}" for arm in ARMS for row in ("plain", Config().decoder)]
    lines = [markdown_row(headings), markdown_row(["---"] * len(headings))]
    for name, figures in results.items():
        cells = [Path(name).name, f"{figures['peak_bytes'] / 1e9:.1f} GB", f"{figures['seconds_per_answer']:.1f}"]
        cells += [share(figures[arm][row]) for arm in ARMS for row in ("plain", "default")]
        lines.append(markdown_row(cells))
    return "\n".join([f"{num_pairs} pairs; share of right answers [95 % interval]", "", *lines])


def markdown_row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def share(interval: Sequence[float]) -> str:
    """A share with its interval."""
    value, low, high = interval
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
