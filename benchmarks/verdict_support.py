"""How well a second look tells a passage that answers from one that only seems to, and the weights of that look.

    python benchmarks/verdict_support.py [--rows N] [--fit]

Even-numbered rows are for fitting, odd-numbered ones for the figures. Sets: squad2 (answerable, and unanswerable with
the passage that it was made for: all six articles), nq_synth (agreeing, conflicting, and the passage of another row),
and the gold passages of hotpotqa and musique, some of which hold the answer. No generator is asked, so it matters not
which articles the reader skill learnt from; two of squad2's articles, which it did not, have a line of their own.
``--fit`` writes ``support`` into ``rag/conflicts/data/reading.json``. The score's bias is shifted so that the product's
threshold silences as many of nq_synth's answering passages as without a second look.

Prints, for the first look, the second one, and the second one without its sign of negation: the area under the curve of
squad2's answerable against its unanswerable questions; the share of unanswerable ones below the threshold that calls
one in ten of the answerable ones silent; and the shares below the product's threshold by set. One JSON object last.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.sets import DATA, area_under_curve, rows
from benchmarks.skills import LEARNT
from benchmarks.verdict_reading import SILENT_SHARE, TARGET, Item, half, pair_items, squad_items
from rag.cli.common import counting_bar
from rag.conflicts.memory.calibration import logistic_fit
from rag.conflicts.reading.evidence import MIN_CHANCE, logistic, score
from rag.conflicts.reading.reader import Reader
from rag.conflicts.reading.support import find_claim, support_signs
from rag.core.encoding import read_words
from rag.core.settings.config import Config
from rag.models.sentence_encoder import SentenceEncoder

NUM_ROWS = 120
BATCH = 20
RIDGE = 10.0
SILENT_AT = 0.10
NEGATION = "lost_negation"
Signs = Mapping[str, float]


@dataclass(frozen=True)
class Looked:
    """A passage with its signs; without candidates it has none, and no look calls it anything but silent."""

    item: Item
    signs: Signs


def main() -> None:
    """Look, fit if asked to, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="rows of each set and half; squad2: 8 times as many")
    parser.add_argument("--fit", action="store_true", help=f"write the weights into {TARGET.name}")
    args = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"no data sets at {DATA}")
    looked = list(look([*items(False, args.rows), *items(True, args.rows)]))
    even, odd = ([one for one in looked if one.item.is_test is is_test] for is_test in (False, True))
    weights = json.loads(TARGET.read_text(encoding="utf-8"))
    if args.fit:
        weights["support"] = fit(even, weights["silent_below"])
        TARGET.write_text(json.dumps(weights, indent=1) + "\n", encoding="utf-8")
    without = fit(even, weights["silent_below"], leave_out=(NEGATION,))
    ways: dict[str, Callable[[Looked], float]] = {
        "first look": first_chance,
        "second look": lambda one: chance(one, weights["support"]),
        "without negation": lambda one: chance(one, without),
    }
    report({name: figures(odd, way, weights["silent_below"]) for name, way in ways.items()})


def items(is_test: bool, num_rows: int) -> Iterator[Item]:
    """Passages of one half."""
    yield from squad_items(is_test, 4 * num_rows)
    yield from pair_items(is_test, num_rows)
    for name in ("hotpotqa", "musique"):
        yield from _gold(name, is_test, num_rows // 2)


def _gold(name: str, is_test: bool, num_rows: int) -> Iterator[Item]:
    """The gold passages of questions of several steps; one without the answer says nothing."""
    corpus = {row["doc_id"]: row for row in rows(DATA / name / "corpus.jsonl")}
    for row in half(f"{name}/questions.jsonl", is_test, num_rows):
        for document in (corpus[doc_id] for doc_id in row["gold_doc_ids"]):
            answers = tuple(text for text in row["answers"] if text.lower() in document["text"].lower())
            arm = name if answers else f"{name}, no answer"
            yield Item(arm, is_test, row["question"], document["title"], document["text"], answers)


@dataclass(frozen=True)
class FirstLook:
    """An encoder that tells no words, so that the reader looks once."""

    name: str
    encode: Callable[[Sequence[str]], NDArray[np.float32]]


def look(chosen: Sequence[Item]) -> Iterator[Looked]:
    """Every passage with its signs."""
    encoder = SentenceEncoder(Config())
    reader = Reader(FirstLook(encoder.name, encoder.encode))
    with counting_bar("Looking") as show:
        for start in range(0, len(chosen), BATCH):
            batch = chosen[start : start + BATCH]
            sheets = reader.prepare([item.question for item in batch], [[item.passage] for item in batch])
            for item, sheet in zip(batch, sheets, strict=True):
                page = sheet.pages[0]
                if not page.candidates:
                    yield Looked(item, {})
                    continue
                claim = find_claim(item.question, item.title, page)
                asked, *told = read_words(encoder, [item.question, *claim.compared]) or ()
                yield Looked(item, support_signs(item.question, sheet.chances[0], claim, asked, told))
            show(min(start + BATCH, len(chosen)), len(chosen))


def fit(looked: Sequence[Looked], silent_below: float, leave_out: Sequence[str] = ()) -> dict[str, float]:
    """Weights of the signs: a logistic regression, with a bias for the threshold ``silent_below``."""
    chosen = [one for one in looked if one.signs]
    names = [name for name in chosen[0].signs if name not in ("bias", *leave_out)]
    x = np.array([[one.signs[name] for name in names] for one in chosen])
    scales = np.maximum(x.std(axis=0), 1e-6)
    fitted, _ = logistic_fit(x / scales, np.array([float(bool(one.item.answers)) for one in chosen]), RIDGE)
    weights = {name: round(float(value), 4) for name, value in zip(names, fitted / scales, strict=True)}
    answering = [one for one in looked if one.item.name in ("agreeing", "conflicting")]
    scores = [score(one.signs, weights) if is_looked_at(one) else -math.inf for one in answering]
    threshold = math.log(silent_below / (1 - silent_below))
    return weights | {"bias": round(threshold - float(np.quantile(scores, SILENT_SHARE, method="lower")), 4)}


def first_chance(one: Looked) -> float:
    """The probability of the first look."""
    return logistic(one.signs["chance"]) if one.signs else 0.0


def is_looked_at(one: Looked) -> bool:
    """Whether the product looks again."""
    return first_chance(one) >= MIN_CHANCE


def chance(one: Looked, weights: Signs) -> float:
    """The probability that a passage answers, as the product has it."""
    return logistic(score(one.signs, weights)) if is_looked_at(one) else first_chance(one)


def figures(looked: Sequence[Looked], way: Callable[[Looked], float], silent_below: float) -> dict[str, float]:
    """The figures of one way to tell."""
    values = np.array([way(one) for one in looked])
    names = np.array([one.item.name for one in looked])
    is_fresh = np.array([one.item.title not in LEARNT for one in looked])
    result: dict[str, float] = {}
    for label, among in (("six articles", np.ones(len(looked), dtype=bool)), ("two articles", is_fresh)):
        right, wrong = (values[among & (names == name)] for name in ("squad2", "adversarial"))
        result[f"{label}: auc"] = area_under_curve(right, wrong)
        result[f"{label}: adversarial"] = share_below(wrong, float(np.quantile(right, SILENT_AT)))
    below = {name: share_below(values[names == name], silent_below) for name in dict.fromkeys(names)}
    return result | {f"silent: {name}": value for name, value in below.items()}


def share_below(values: NDArray[np.float64], threshold: float) -> float:
    """Share of values below a threshold."""
    return float(np.mean(values < threshold))


def report(result: dict[str, dict[str, Any]]) -> None:
    """The figures as a table and a JSON line."""
    table = Table("odd-numbered rows", *result)
    for key in next(iter(result.values())):
        table.add_row(key, *(f"{values[key]:.3f}" for values in result.values()))
    Console(width=100).print(table)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
