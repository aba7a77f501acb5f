"""What the reader changes: right answers, refusals, names of the wrong passage, and memory.

    python benchmarks/skills.py [--quick] [--model NAME] [--skill NAME] [--sets NAME ...] [--methods NAME ...]
        [--pairs N] [--data FOLDER]

Every set is asked in three arms: the passage agrees with the common answer, contradicts it, or belongs to another
question; each with and without the reader, by plain decoding and by adacad. ``squad2`` asks about the articles that the
shipped reader was not trained on, with and without an answer in the passage. The verdict is off, since it repairs
answers, except in the rows ``product`` (as the engine answers) and ``product_bare`` (the same without skills).

The rows: nq_synth all; of squad_pairs and musique_pairs those whose passages hold no sentence of an article that the
shipped reader learnt from. Prints tables, then one JSON object on the last line. ``--quick``: 24 pairs of nq_synth and
20 questions of squad2, without adacad and ``product_bare``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.sets import area_under_curve, rows
from eval.metrics.abstention import abstains
from eval.metrics.answers import contains_answer, f1
from eval.records import Record
from eval.run.config import RunConfig
from eval.studies.comparison_table import TableConfig, TableLine, run_table
from rag.cli.common import counting_bar
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.core.replies import first_line
from rag.core.settings.config import Config
from rag.generation.base import Generation
from rag.generation.load import load_generator
from rag.generation.request import ActiveSkill, Request
from rag.skills.serving import SkillSet

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
FACTS = Path(__file__).resolve().parent / "data" / "facts.jsonl"
SETS = {
    "nq_synth": "nq_synth/nq_synth_dev.jsonl",
    "squad_pairs": "pairs/squad_train.jsonl",
    "musique_pairs": "pairs/musique_train.jsonl",
}
# Articles of squad2 whose questions the shipped reader learnt from; passages of musique and hotpotqa are counted too.
LEARNT = frozenset(("Normans", "Huguenot", "Computational complexity theory", "European Union law"))
ARMS = ("conflicting", "agreeing", "irrelevant")
MAX_TOKENS = 16
LONGEST = 6000  # characters of both passages of a pair


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows, without adacad")
    parser.add_argument("--model", default="default", help="generator")
    parser.add_argument("--skill", default="reader", help="the reader: a name or a folder")
    parser.add_argument("--sets", nargs="*", default=[*SETS, "squad2", "closed_book"], help="what to measure")
    parser.add_argument("--methods", nargs="*", help="rows of the tables of pairs, such as reader product; default all")
    parser.add_argument("--pairs", type=int, default=250, help="most pairs of a set")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"no data at {args.data}; give the folder with --data")
    console, results = Console(width=132), {}
    num_pairs, names = (24, ["nq_synth", "squad2"]) if args.quick else (args.pairs, args.sets)
    methods = build_methods(args.skill, is_quick=args.quick)
    if unknown := set(args.methods or ()) - set(methods):
        raise SystemExit(f"no method {', '.join(sorted(unknown))}; expected some of {', '.join(methods)}")
    methods = {name: settings for name, settings in methods.items() if not args.methods or name in args.methods}
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            if name in SETS:
                pairs = write_pairs(args.data, name, num_pairs, Path(scratch))
                results[name] = measure_pairs(pairs, args.model, methods, Path(scratch) / name)
                show(console, name, results[name])
    bench = Bench(args.model, args.skill) if {"squad2", "closed_book"} & set(names) else None
    if bench and "squad2" in names:
        results["squad2"] = bench.squad2(args.data, 20 if args.quick else 160)
        show(console, "squad2: articles that were not learnt", results["squad2"])
    if bench and "closed_book" in names:
        results["closed_book"] = bench.closed_book()
        show(console, "closed book", results["closed_book"])
    print(json.dumps(results))


def build_methods(skill: str, *, is_quick: bool) -> dict[str, dict[str, Any]]:
    """The settings of each row of the table. ``product`` is as the engine answers: default decoder, with a verdict."""
    methods: dict[str, dict[str, Any]] = {}
    for prefix, name in (("", "none"), ("reader", skill)):
        for decoder in ("plain",) if is_quick else ("plain", "adacad"):
            parts = [part for part in (prefix, decoder if decoder != "plain" or not prefix else "") if part]
            methods["_".join(parts)] = {"decoder": decoder, "engine": {"skill": name, "verdict": False}}
    if not is_quick:
        methods["product_bare"] = {"engine": {"skill": "none", "verdict": True}}
    methods["product"] = {"engine": {"skill": skill, "verdict": True}}
    return methods


def write_pairs(data: Path, name: str, number: int, folder: Path) -> Path:
    """A file with ``number`` pairs of a set, evenly spread, none of them learnt from."""
    learnt = set(learnt_sentences(data)) if name != "nq_synth" else set()
    fitting = [
        row
        for row in rows(data / SETS[name])
        if len(row["agreeing_context"]) + len(row["conflicting_context"]) <= LONGEST
        and not learnt & set(sentences(row["agreeing_context"]))
    ]
    chosen = np.unique(np.linspace(0, len(fitting) - 1, min(number, len(fitting))).astype(int))
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(fitting[index]) + "\n" for index in chosen), encoding="utf-8")
    return path


def learnt_sentences(data: Path) -> Iterator[str]:
    """Sentences of the passages that the shipped reader was trained on."""
    for folder in ("squad2", "musique", "hotpotqa"):
        for row in rows(data / folder / "corpus.jsonl"):
            if folder != "squad2" or row["title"] in LEARNT:
                yield from sentences(row["text"])


def sentences(text: str) -> list[str]:
    """Longer sentences, by their words alone."""
    pieces = re.split(r"(?<=[.!?])\s", text)
    return [" ".join(re.sub(r"\W+", " ", piece.lower()).split()) for piece in pieces if len(piece) > 40]


def measure_pairs(
    pairs: Path, model: str, methods: dict[str, dict[str, Any]], folder: Path
) -> dict[str, dict[str, float]]:
    """The figures of each method on one set."""
    base: dict[str, Any] = {"dataset": "nq_synth", "data": str(pairs), "max_tokens": MAX_TOKENS, "batch_size": 16}
    engine = {"model": model}
    table = TableConfig(
        base=base,
        rows=tuple(
            TableLine(name=name, **settings | {"engine": engine | settings["engine"]})
            for name, settings in methods.items()
        ),
        columns=tuple(TableLine(name=arm, arm=arm) for arm in ARMS),
        metrics=("accuracy",),
    )
    RunConfig.from_values(base | {"engine": engine})
    records = {
        (cell.row, cell.column): cell.evaluation.run.records for cell in run_table(table, folder, watch=counting_bar)
    }
    return {name: figures({arm: records[name, arm] for arm in ARMS}) for name in methods}


def figures(arms: dict[str, Sequence[Record]]) -> dict[str, float]:
    """The figures that the docs name, of one method's answers."""

    def share(values: Sequence[float | bool]) -> float:
        return round(float(np.mean(values)), 3)

    irrelevant = arms["irrelevant"]
    return {
        "conflicting": share([contains_answer(item.answer or "", item.references) for item in arms["conflicting"]]),
        "agreeing": share([contains_answer(item.answer or "", item.references) for item in arms["agreeing"]]),
        "irrelevant_refused": share([abstains(item.answer or "") for item in irrelevant]),
        "irrelevant_named": share([contains_answer(item.answer or "", item.context_answers) for item in irrelevant]),
        "f1_agreeing": share([f1(item.answer or "", item.references) for item in arms["agreeing"]]),
    }


class Bench:
    """What needs the model's numbers, not only its answers."""

    def __init__(self, model: str, skill: str) -> None:
        config = Config(model=model, engine="transformers")
        self._generator = load_generator(config)
        self._reader = SkillSet(config, lambda: self._generator).reader(skill)
        self._arms: dict[str, ActiveSkill | None] = {"plain": None, "reader": self._reader}

    def squad2(self, data: Path, number: int) -> dict[str, dict[str, float]]:
        """F1 on answerable questions, and how well the margin of a refusal tells the unanswerable ones."""
        asked = held_out_questions(data)
        answerable = spread([item for item in asked if item[2]], number)
        unanswerable = spread([item for item in asked if not item[2]], number)
        results = {}
        for name, skill in self._arms.items():
            prompts = [
                self._generator.encode(build_prompts(question, (passage,)).context)
                for question, passage, _ in (*answerable, *unanswerable)
            ]
            generations = self._generate(prompts, skill)
            replies = [first_line(item.text) for item in generations[: len(answerable)]]
            margins = [refusal_margin(item) for item in generations]
            overlaps = [f1(text, item[2]) for text, item in zip(replies, answerable, strict=True)]
            results[name] = {
                "f1": round(float(np.mean(overlaps)), 3),
                "refused_answerable": round(float(np.mean([abstains(text) for text in replies])), 3),
                "refusal_auc": round(area_under_curve(margins[len(answerable) :], margins[: len(answerable)]), 3),
            }
        return results

    def closed_book(self) -> dict[str, dict[str, float]]:
        """Right answers without documents: as they are served, without a skill, and with the reader forced on them."""
        facts = rows(FACTS)
        prompts = [self._generator.encode(build_prompts(fact["question"], ()).parametric) for fact in facts]
        results = {}
        for name, skill in (("served", None), ("reader_forced", self._reader)):
            replies = self._generate(prompts, skill)
            right = [contains_answer(item.text, fact["answers"]) for item, fact in zip(replies, facts, strict=True)]
            results[name] = {"accuracy": round(float(np.mean(right)), 3)}
        return results

    def _generate(self, prompts: Sequence[tuple[int, ...]], skill: ActiveSkill | None) -> list[Generation]:
        """Greedy by value: drawing from one token, the engine reports the probability of each."""
        stop = self._generator.default_stop
        sampling = Sampling(max_tokens=MAX_TOKENS, temperature=1.0, sample_top_k=1, stop=stop)
        adapter = skill.adapter if skill else None
        return self._generator.generate([Request.single(prompt, sampling, adapter=adapter) for prompt in prompts])


def refusal_margin(generation: Generation) -> float:
    """How sure a reply refuses, 0 to 1, or how sure it answers, 0 to -1: the mean probability of its tokens."""
    values = [step.context_logprob for step in generation.steps if step.context_logprob is not None]
    confidence = float(np.exp(np.mean(values))) if values else 1.0
    return confidence if abstains(first_line(generation.text)) else -confidence


def held_out_questions(data: Path) -> list[tuple[str, Passage, tuple[str, ...]]]:
    """Questions of squad2 about articles that were not learnt, with their passage; unanswerable ones near theirs."""
    corpus = {row["doc_id"]: row for row in rows(data / "squad2" / "corpus.jsonl")}
    asked, last = [], ""
    for row in rows(data / "squad2" / "questions.jsonl"):
        last = row["gold_doc_ids"][0] if row["gold_doc_ids"] else last
        if last and corpus[last]["title"] not in LEARNT:
            passage = Passage("", "", "", corpus[last]["title"], corpus[last]["text"])
            asked.append((row["question"], passage, tuple(row["answers"])))
    return asked


def spread(items: Sequence[Any], number: int) -> list[Any]:
    """``number`` items, evenly spread."""
    return [items[index] for index in np.unique(np.linspace(0, len(items) - 1, min(number, len(items))).astype(int))]


def show(console: Console, title: str, results: dict[str, dict[str, float]]) -> None:
    """One table."""
    names = list(next(iter(results.values())))
    table = Table("method", *names, title=title)
    for method, values in results.items():
        table.add_row(method, *(f"{values[name]:.3f}" for name in names))
    console.print(table)


if __name__ == "__main__":
    main()
