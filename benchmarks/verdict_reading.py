"""How well passages are read alone, and the weights of that reading.

    python benchmarks/verdict_reading.py [--rows N] [--with-model] [--fit] [--folder FOLDER]
    python benchmarks/verdict_reading.py --readers [--rows N]

Even-numbered rows are for fitting, odd-numbered ones for the figures. Sets: nq_synth (agreeing, conflicting, and the
passage of another row, which answers nothing), squad2 (answerable, and unanswerable with the passage that it was made
for), ramdocs (each document; those of noise answer nothing). ``--fit`` writes ``rag/conflicts/data/reading.json``.
``--with-model`` also asks the default generator, of the passages that answer. ``--folder`` keeps the numbers of each
passage, so that a second run only fits. ``--readers`` compares the values of the setting ``read_by``: the encoder, the
reader skill of the default model, and both; of squad2 by the articles that the skill did not learn from.

Prints, by set: share of answering passages read right, and share of passages called silent. One JSON object last.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import logsumexp

from benchmarks.sets import DATA, Row, rows
from benchmarks.skills import LEARNT
from eval.metrics.answers import f1, normalize
from rag.cli.common import counting_bar
from rag.conflicts.memory.calibration import logistic_fit
from rag.conflicts.memory.recall import first_line
from rag.conflicts.reading.evidence import logistic, passage_numbers, score, span_numbers, top_signs
from rag.conflicts.reading.reader import Reader, Sheet
from rag.core.passages import Passage
from rag.core.settings.config import Config
from rag.core.verdict import ReadBy
from rag.engine import Engine
from rag.generation.base import Generation, Generator
from rag.generation.load import load_generator
from rag.models.sentence_encoder import SentenceEncoder

TARGET = Path(__file__).resolve().parent.parent / "rag" / "conflicts" / "data" / "reading.json"
NUM_ROWS = 120
BATCH = 12
RIDGE = 1.0
MIN_SCALE = 0.3
# Passages that do answer and may be called silent.
SILENT_SHARE = 0.05
MODEL = "model:"
EMPTY: dict[str, Any] = {"spans": {}, "answers": {}, "silent_below": 0.5}
# A span that words an answer with a little more beside it is right.
MAX_EXTRA_WORDS = 3
MIN_F1 = 0.8


@dataclass(frozen=True)
class Item:
    """One passage to read; without answers it says nothing of the question."""

    name: str
    is_test: bool
    question: str
    title: str
    text: str
    answers: tuple[str, ...]

    @property
    def passage(self) -> Passage:
        """As the reader takes it."""
        return Passage("p:0", "p", "p", self.title, self.text)


@dataclass(frozen=True)
class Numbers:
    """What the weights are fitted on: the numbers of each candidate, which are right, and the signs of the passage."""

    name: str
    is_test: bool
    is_answering: bool
    spans: list[dict[str, float]]
    is_right: list[bool]
    signs: dict[str, float]


def main() -> None:
    """Read, fit if asked to, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="rows of each set and half")
    parser.add_argument("--with-model", action="store_true", help="ask the default generator too")
    parser.add_argument("--fit", action="store_true", help=f"write {TARGET.name}")
    parser.add_argument("--folder", type=Path, help="where the numbers of each passage are kept")
    parser.add_argument("--readers", action="store_true", help="compare the encoder, the skill and both")
    args = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"no data sets at {DATA}")
    if args.readers:
        compare_readers([item for item in items(args.rows) if item.is_test and item.title not in LEARNT])
        return
    with tempfile.TemporaryDirectory() as scratch:
        chosen = [item for item in items(args.rows) if item.answers or not args.with_model]
        numbers = collect(chosen, args.folder or Path(scratch), with_model=args.with_model)
    weights = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else EMPTY
    if args.fit:
        even = [item for item in numbers if not item.is_test]
        weights |= fit_model(even, weights) if args.with_model else fit(even, weights)
        TARGET.write_text(json.dumps(weights, indent=1) + "\n", encoding="utf-8")
    report(numbers, weights)


def items(num_rows: int) -> Iterator[Item]:
    """Passages of both halves, ``num_rows`` rows of each set and half, evenly spread."""
    for is_test in (False, True):
        yield from pair_items(is_test, num_rows)
        yield from squad_items(is_test, num_rows)
        yield from _ramdocs(is_test, num_rows)


def half(file: str, is_test: bool, num_rows: int) -> list[Row]:
    """Rows of one half, evenly spread."""
    chosen = rows(DATA / file)[int(is_test) :: 2]
    return [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, min(num_rows, len(chosen))).astype(int))]


def pair_items(is_test: bool, num_rows: int) -> Iterator[Item]:
    """Rows of nq_synth, each with its two passages and that of another row."""
    chosen = half("nq_synth/nq_synth_dev.jsonl", is_test, num_rows)
    for row, other in zip(chosen, [*chosen[7:], *chosen[:7]], strict=True):
        right, wrong = (row["agreeing_answer"], *(row["aliases"] or ())), (row["conflicting_answer"],)
        yield Item("agreeing", is_test, row["question"], "", row["agreeing_context"], right)
        yield Item("conflicting", is_test, row["question"], "", row["conflicting_context"], wrong)
        yield Item("irrelevant", is_test, row["question"], "", other["agreeing_context"], ())


def squad_items(is_test: bool, num_rows: int) -> Iterator[Item]:
    """Questions of squad2 with the passage that they were made for, twice ``num_rows``."""
    corpus = {row["doc_id"]: row for row in rows(DATA / "squad2/corpus.jsonl")}
    questions, passage = rows(DATA / "squad2/questions.jsonl"), ""
    placed: list[tuple[Row, str]] = []
    for row in questions:  # an unanswerable question stands among those of the passage that it was made for
        passage = row["gold_doc_ids"][0] if row["gold_doc_ids"] else passage
        placed.append((row, passage))
    chosen = [item for item in placed[int(is_test) :: 2] if item[1]]
    for index in np.unique(np.linspace(0, len(chosen) - 1, 2 * num_rows).astype(int)):
        row, doc_id = chosen[index]
        name = "squad2" if row["is_answerable"] else "adversarial"
        yield Item(
            name, is_test, row["question"], corpus[doc_id]["title"], corpus[doc_id]["text"], tuple(row["answers"])
        )


def _ramdocs(is_test: bool, num_rows: int) -> Iterator[Item]:
    for row in half("ramdocs/ramdocs_dev.jsonl", is_test, num_rows // 2):
        for document in row["documents"]:
            is_noise = document["type"] == "noise"
            name = "noise" if is_noise else "ramdocs"
            yield Item(name, is_test, row["question"], "", document["text"], () if is_noise else (document["answer"],))


def collect(all_items: Sequence[Item], folder: Path, *, with_model: bool) -> list[Numbers]:
    """The numbers of every passage, from the folder where they were kept."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{'spans_with_model' if with_model else 'spans'}-{len(all_items)}.jsonl"
    done = [Numbers(**row) for row in rows(file)] if file.is_file() else []
    if len(done) == len(all_items):
        return done
    config = Config()
    generator = load_generator(config) if with_model else None
    reader = Reader(SentenceEncoder(config), generator)
    with file.open("a", encoding="utf-8") as out, counting_bar("Reading") as show:
        for start in range(len(done), len(all_items), BATCH):
            batch = all_items[start : start + BATCH]
            for numbers in _read(batch, reader, generator):
                out.write(json.dumps(asdict(numbers)) + "\n")
                done.append(numbers)
            out.flush()
            show(len(done), len(all_items))
    if generator is not None:
        generator.close()
    return done


def _read(batch: Sequence[Item], reader: Reader, generator: Generator | None) -> Iterator[Numbers]:
    sheets = reader.prepare([item.question for item in batch], [[item.passage] for item in batch])
    requests = [request for sheet in sheets for request in sheet.requests]
    replies = iter(generator.generate(requests) if generator else ())
    for item, sheet in zip(batch, sheets, strict=True):
        yield _numbers(item, sheet, [next(replies) for _ in sheet.requests])


def _numbers(item: Item, sheet: Sheet, generations: Sequence[Generation]) -> Numbers:
    page = sheet.pages[0]
    reply = first_line(generations[0].text) if generations else None
    return Numbers(
        item.name,
        item.is_test,
        bool(item.answers),
        [span_numbers(item.question, page, place, reply) for place in range(len(page.candidates))],
        [is_right(span.text, item.answers) for span, _ in page.candidates],
        passage_numbers(item.question, page, f"{item.title}\n{item.text}", ()),
    )


def compare_readers(chosen: Sequence[Item]) -> None:
    """Shares read right and called silent by each reader; a table and a JSON line."""
    found = read_by_each(chosen)
    table = Table("set", "passages", *(f"{name}: right, silent" for name in found), title="odd-numbered rows")
    result: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(item.name for item in chosen):
        result[name] = {"passages": sum(item.name == name for item in chosen)}
        for reader, answers in found.items():
            group = [(item, text) for item, text in zip(chosen, answers, strict=True) if item.name == name]
            result[name][reader] = {
                "right": float(np.mean([bool(text) and is_right(text, item.answers) for item, text in group])),
                "silent": float(np.mean([not text for _, text in group])),
            }
        cells = (f"{result[name][reader]['right']:.3f}, {result[name][reader]['silent']:.3f}" for reader in found)
        table.add_row(name, str(result[name]["passages"]), *cells)
    Console(width=110).print(table)
    print(json.dumps(result))


def read_by_each(chosen: Sequence[Item]) -> dict[str, list[str]]:
    """What the product reads from each passage, by the values of ``read_by``; empty where the passage is silent."""
    found: dict[str, list[str]] = {read_by: [] for read_by in get_args(ReadBy)}
    with tempfile.TemporaryDirectory() as folder, Engine.open(folder) as engine, counting_bar("Reading") as show:
        inquirer, skill = engine.components.inquirer(), engine.components.skills.reader("auto")
        if skill is None:
            raise SystemExit("there is no reader skill for the default model; 'concord skill ls' lists the skills")
        for start in range(0, len(chosen), BATCH):
            batch = chosen[start : start + BATCH]
            questions, passages = [item.question for item in batch], [[item.passage] for item in batch]
            for read_by, answers in found.items():
                inquiries = inquirer.prepare(questions, passages, "", skill, cast("ReadBy", read_by))
                alone = [replace(inquiry, memory=()) for inquiry in inquiries]
                replies = iter(inquirer.generator.generate([one for inquiry in alone for one in inquiry.requests]))
                for inquiry in alone:
                    verdict = inquirer.conclude(inquiry, list(islice(replies, len(inquiry.requests))))
                    answers.append(verdict.positions[0].answer if verdict.positions else "")
            show(start + len(batch), len(chosen))
    return found


def is_right(text: str, answers: Sequence[str]) -> bool:
    """Whether a span gives one of the answers: it holds it with little beside it, or nearly is it."""
    words = normalize(text)
    for answer in map(normalize, answers):
        extra = len(words.split()) - len(answer.split())
        if answer and f" {answer} " in f" {words} " and extra <= MAX_EXTRA_WORDS:
            return True
    return bool(answers) and f1(text, answers) >= MIN_F1


def fit(numbers: Sequence[Numbers], weights: dict[str, Any]) -> dict[str, Any]:
    """All weights of reading without a model; those of a model's reply stay."""
    spans = fit_spans([item for item in numbers if any(item.is_right)])
    replied = {name: value for name, value in weights["spans"].items() if name.startswith(MODEL)}
    made = {"spans": spans | replied, "answers": fit_answers(numbers, spans)}
    return made | {"silent_below": find_threshold(numbers, made)}


def fit_model(numbers: Sequence[Numbers], weights: dict[str, Any]) -> dict[str, Any]:
    """The weights of a model's reply alone, on top of the others."""
    alone = without_model(weights["spans"])
    return {"spans": alone | fit_spans([item for item in numbers if any(item.is_right)], alone)}


def fit_answers(numbers: Sequence[Numbers], spans: dict[str, float]) -> dict[str, float]:
    """Weights of the signs that a passage answers: a logistic regression."""
    signs = [all_signs(item, spans) for item in numbers]
    names = sorted({name for row in signs for name in row} - {"bias"})
    x = np.array([[row.get(name, 0.0) for name in names] for row in signs])
    scales = np.maximum(x.std(axis=0), 1e-6)
    weights, bias = logistic_fit(x / scales, np.array([float(item.is_answering) for item in numbers]), RIDGE)
    answers = {name: round(float(value), 4) for name, value in zip(names, weights / scales, strict=True)}
    return answers | {"bias": round(bias, 4)}


def find_threshold(numbers: Sequence[Numbers], weights: dict[str, Any]) -> float:
    """Below it lie :data:`SILENT_SHARE` of the answering passages of nq_synth."""
    chosen = [item for item in numbers if item.name in ("agreeing", "conflicting")]
    sure = [logistic(score(all_signs(item, weights["spans"]), weights["answers"])) for item in chosen]
    return round(float(np.quantile(sure, SILENT_SHARE)), 3)


def fit_spans(numbers: Sequence[Numbers], base: Mapping[str, float] = MappingProxyType({})) -> dict[str, float]:
    """Weights that make the right spans likely among the candidates of their passage: a conditional logit, ridge.

    Args:
        base: weights that stay as they are; then those of a model's reply alone are fitted.
    """
    names = sorted({name for item in numbers for row in item.spans for name in row})
    names = [name for name in names if name.startswith(MODEL)] if base else names
    offsets = [np.array([score(row, base) for row in item.spans]) for item in numbers]
    inputs = [np.array([[row.get(name, 0.0) for name in names] for row in item.spans]) for item in numbers]
    right = [np.array(item.is_right) for item in numbers]
    # A form that is rare among the candidates must not get a weight that a few passages decide.
    scales = np.maximum(np.concatenate(inputs).std(axis=0), MIN_SCALE)
    inputs = [x / scales for x in inputs]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = RIDGE * float(weights @ weights), 2 * RIDGE * weights
        for x, y, offset in zip(inputs, right, offsets, strict=True):
            scores = x @ weights + offset
            value += float(logsumexp(scores) - logsumexp(scores[y]))
            slope = slope + x.T @ np.exp(scores - logsumexp(scores)) - x[y].T @ np.exp(scores[y] - logsumexp(scores[y]))
        return value, slope

    weights = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B").x / scales
    return {name: round(float(value), 4) for name, value in zip(names, weights, strict=True)}


def all_signs(item: Numbers, spans: dict[str, float]) -> dict[str, float]:
    """The signs of a passage, those of its best spans among them, as :class:`Reader` has them."""
    if not item.spans:
        return item.signs
    return {name: value for name, value in item.signs.items() if name != "empty"} | top_signs(
        [score(row, without_model(spans)) for row in item.spans]
    )


def without_model(spans: Mapping[str, float]) -> dict[str, float]:
    """The weights that count where no model was asked."""
    return {name: value for name, value in spans.items() if not name.startswith(MODEL)}


def report(numbers: Sequence[Numbers], weights: dict[str, Any]) -> None:
    """By set, of the odd rows: how many candidates hold the answer, are read right, are called silent."""
    spans = weights["spans"]
    table = Table("set", "passages", "among candidates", "read right", "silent", title="odd-numbered rows")
    result = {}
    for name in dict.fromkeys(item.name for item in numbers):
        group = [item for item in numbers if item.name == name and item.is_test]
        best = [int(np.argmax([score(row, spans) for row in item.spans])) if item.spans else -1 for item in group]
        right = [bool(item.spans) and item.is_right[place] for item, place in zip(group, best, strict=True)]
        sure = [logistic(score(all_signs(item, weights["spans"]), weights["answers"])) for item in group]
        result[name] = {
            "passages": len(group),
            "reachable": float(np.mean([any(item.is_right) for item in group])),
            "right": float(np.mean(right)),
            "silent": float(np.mean([value < weights["silent_below"] for value in sure])),
        }
        figures = (f"{result[name][key]:.3f}" for key in ("reachable", "right", "silent"))
        table.add_row(name, str(len(group)), *figures)
    Console(width=100).print(table)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
