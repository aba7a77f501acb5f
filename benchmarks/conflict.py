"""What each decoder does to a small model's answers, on conflict pairs; and how well conflicts are detected.

    python benchmarks/conflict.py [--quick] [--data FILE] [--model NAME] [--max-tokens N]

Three arms: the passage contradicts the common answer, agrees with it, or belongs to another question. Every decoder
answers from the same prompts in one batch, so each prompt is read once. Detection asks ``data/facts.jsonl``, facts
that small models know, with agreeing and conflicting passages. Prints tables, then one JSON object on the last line.
Needs the pairs beside the checkout, or ``--data`` with a file of the same fields.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from eval.arms import Arm, trials_of
from eval.datasets import load_dataset
from eval.metrics import contains_answer, memorization_ratio
from eval.stats import bootstrap_interval
from eval.types import Trial
from rag import Answer, Engine
from rag.types import ScoredPassage

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
ARMS: tuple[Arm, ...] = ("conflicting", "agreeing", "irrelevant")
CHUNK = 25  # questions per batch; each is asked by every decoder


@dataclass(frozen=True)
class Scores:
    """Per-question scores of one decoder in one arm."""

    accuracy: list[float]
    conr: list[float]
    parr: list[float]

    @property
    def mr(self) -> float:
        """Memorization ratio."""
        return memorization_ratio(float(np.mean(self.conr)), float(np.mean(self.parr)))


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every 17th pair and every 4th fact, under three minutes")
    parser.add_argument("--data", type=Path, default=PAIRS, help="JSONL of conflict pairs")
    parser.add_argument("--model", default="default", help="generator")
    parser.add_argument("--max-tokens", type=int, default=14, help="longest answer")
    args = parser.parse_args()
    if not args.data.is_file():
        raise SystemExit(f"no conflict pairs at {args.data}; give a file with --data")
    questions = load_dataset("nq_synth", str(args.data)).questions[:: 17 if args.quick else 1]
    facts = load_dataset("nq_synth", str(FACTS)).questions[:: 4 if args.quick else 1]
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder, Engine.open(folder, model=args.model) as engine:
        table = {arm: ask(engine, trials_of(questions, arm), arm, args.max_tokens) for arm in ARMS}
        show(console, table, len(questions))
        detection = detect(engine, [trials_of(facts, arm) for arm in ("agreeing", "conflicting")], args.max_tokens)
    console.print(
        f"detection: of {detection['num_known']} known facts, AUC of the conflict score {detection['auc']:.3f}; "
        f"flagged {detection['flagged_conflicting']:.2f} of conflicting and {detection['flagged_agreeing']:.2f} of "
        "agreeing passages"
    )
    print(json.dumps(figures(table, len(questions)) | {"detection": detection}))


def ask(engine: Engine, trials: Sequence[Trial], arm: str, max_tokens: int) -> dict[str, Scores]:
    """Every decoder's scores over the trials of one arm."""
    scores = {name: Scores([], [], []) for name in DECODERS}
    for some in track(chunks(trials), description=arm, console=Console(stderr=True), total=-(-len(trials) // CHUNK)):
        queries = [
            engine.query(trial.question, max_tokens=max_tokens, **options)
            for trial in some
            for options in DECODERS.values()
        ]
        rankings = [[ScoredPassage(p, 1.0) for p in trial.passages or ()] for trial in some for _ in DECODERS]
        answers = dict(e for e in engine.pipeline.run_with(queries, rankings) if isinstance(e[1], Answer))
        for index, trial in enumerate(some):
            for offset, name in enumerate(DECODERS):
                text = answers[index * len(DECODERS) + offset].text
                scores[name].accuracy.append(contains_answer(text, trial.references))
                scores[name].conr.append(contains_answer(text, trial.context_answers))
                scores[name].parr.append(contains_answer(text, trial.memory_answers))
    return scores


def detect(engine: Engine, arms: Sequence[Sequence[Trial]], max_tokens: int) -> dict[str, float]:
    """How well the conflict score tells conflicting from agreeing passages on facts that the model knows."""
    agreeing, conflicting = (
        engine.answer_with(
            [t.question for t in trials], [t.passages or () for t in trials], decoder="plain", max_tokens=max_tokens
        )
        for trials in arms
    )
    known = [
        contains_answer(a.conflict.memory_answer, t.references) > 0 for a, t in zip(agreeing, arms[0], strict=True)
    ]
    low = [a.conflict for a, is_known in zip(agreeing, known, strict=True) if is_known]
    high = [a.conflict for a, is_known in zip(conflicting, known, strict=True) if is_known]
    return {
        "num_known": len(low),
        "auc": auc([c.score for c in high], [c.score for c in low]),
        "flagged_conflicting": float(np.mean([c.is_conflict for c in high])),
        "flagged_agreeing": float(np.mean([c.is_conflict for c in low])),
    }


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Probability that a positive scores above a negative, ties counting half."""
    above = np.subtract.outer(positives, negatives)
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def show(console: Console, table: dict[str, dict[str, Scores]], num_questions: int) -> None:
    """Shares with 95 % bootstrap intervals."""
    shown = Table(title=f"{num_questions} pairs; share of answers that contain ... [95 % interval]")
    shown.add_column("decoder")
    for name in ("conflicting: ConR", "ParR", "MR", "agreeing: accuracy", "irrelevant: accuracy"):
        shown.add_column(name, justify="right")
    for decoder in DECODERS:
        pair = table["conflicting"][decoder]
        cells = [interval(pair.conr), interval(pair.parr), f"{pair.mr:.3f}"]
        others = [interval(table[arm][decoder].accuracy) for arm in ("agreeing", "irrelevant")]
        shown.add_row(decoder, *cells, *others)
    console.print(shown)


def interval(values: Sequence[float]) -> str:
    """A mean with its interval."""
    found = bootstrap_interval(values)
    return f"{found.value:.3f} [{found.low:.2f}, {found.high:.2f}]"


def figures(table: dict[str, dict[str, Scores]], num_questions: int) -> dict[str, Any]:
    """The JSON object, without detection."""
    pairs = table["conflicting"]
    return {
        "num_pairs": num_questions,
        "mr_ckplug": {alpha: pairs[f"ckplug {alpha}"].mr for alpha in ALPHAS},
        "conr": {name: float(np.mean(scores.conr)) for name, scores in pairs.items()},
        "parr": {name: float(np.mean(scores.parr)) for name, scores in pairs.items()},
        "agreeing_accuracy": {name: float(np.mean(s.accuracy)) for name, s in table["agreeing"].items()},
        "irrelevant_accuracy": {name: float(np.mean(s.accuracy)) for name, s in table["irrelevant"].items()},
    }


def chunks(trials: Sequence[Trial]) -> Iterable[Sequence[Trial]]:
    """``trials`` in runs of ``CHUNK``."""
    return [trials[first : first + CHUNK] for first in range(0, len(trials), CHUNK)]


if __name__ == "__main__":
    main()
