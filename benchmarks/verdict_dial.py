"""Where each decoder stands between the documents and the model's memory, with several passages in the prompt.

    python benchmarks/verdict_dial.py [--quick] [--choose] [--rows N] [--data FILE] [--model NAME] [--skill NAME]
        [--write PAGE]

Two sets: the questions of ``examples/questions.jsonl``, each with the three passages that the default retrieval finds
in ``examples/corpus``; and pairs of which the conflicting passage stands among the passages of two other pairs. Every
decoder answers from the same prompts in one batch, so each prompt is read once. For each decoder, over both sets:

* documents: share of answers that contain the document's answer;
* memory: share of answers that are the model's own answer without documents;
* off_language: share of answers that are cut off after 48 tokens, or whose mean log-probability under the stream with
  the documents is more than 1 nat below that of the least likely answer of plain decoding. An answer of memory's own
  words is measured under the stream without documents if that likes it better.

It reads rows from 61 on. The dial's settings were chosen on rows 1 to 60. Its form was changed once after a look at the
examples and at the rows of ``--quick``, so the figures of both are optimistic. ``--choose`` reads rows 1 to 60 and
prints what the dial's settings do at alpha 0 and auto. ``--quick`` takes fewer rows, of short passages: under three
minutes. ``--skill auto`` has the passages read by the reader that the product would take; the stream without passages
never has a skill. ``--write`` puts the table into a page in the place of the one before; a new table of
``concord eval table`` leaves it out. Prints tables, then one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.conflict import PAIRS
from benchmarks.sets import Row, rows
from eval.metrics.answers import contains_answer, normalize
from rag.cli.common import counting_bar
from rag.core.answer import Answer, Step
from rag.core.passages import Passage, rank_passages
from rag.engine import Engine
from rag.pipeline.run import collect
from rag.pipeline.state import given_state

ROOT = Path(__file__).resolve().parent.parent
NUM_DEV = 60
NUM_ROWS, NUM_QUICK = 60, 12
MAX_TOKENS = 48
MARGIN_NATS = 1.0
TITLE = "## The dial and the decoders with three passages"
TITLE_WITH_SKILL = f"{TITLE}, and a reader skill"
HEAD = """\
Made by `python benchmarks/verdict_dial.py{options} --write docs/RESULTS.md`. {num_demo} questions of the examples with
the passages found for them, and {num_pairs} pairs of swapped Natural Questions, each passage among two of other
questions; without a verdict, {reading}. documents: the answer contains the document's answer. memory: it
is the model's own answer. off language: it is cut off after {max_tokens} tokens, or far less likely than any answer of
plain decoding. The dial was changed once after a look at these questions; so few tell a large difference from none.
"""
Options = dict[str, Any]

DIAL: dict[str, Options] = {
    f"dial {alpha}": {"decoder": "dial", "alpha": "auto" if alpha == "auto" else float(alpha)}
    for alpha in ("0", "0.25", "0.5", "0.75", "1", "auto")
}
OTHERS: dict[str, Options] = {
    "plain": {"decoder": "plain"},
    "memory": {"decoder": "memory"},
    "adacad": {"decoder": "adacad"},
    "cad": {"decoder": "cad"},
    "coiecd": {"decoder": "coiecd"},
    "ckplug 0": {"decoder": "ckplug", "alpha": 0.0},
    "ckplug 0.5": {"decoder": "ckplug", "alpha": 0.5},
    "ckplug 1": {"decoder": "ckplug", "alpha": 1.0},
    "ckplug auto": {"decoder": "ckplug", "alpha": "auto"},
}
# Measured with one passage too.
REFERENCES = ("plain", "memory", "cad", "adacad")


@dataclass(frozen=True)
class Item:
    """A question, what the document says, and the passages of the prompt, best first."""

    question: str
    document_answer: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Score:
    """Shares of one decoder's answers; see the head of this file."""

    documents: float
    memory: float
    off_language: float


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{NUM_QUICK} rows of short passages")
    parser.add_argument("--choose", action="store_true", help="the dial's settings, on the development rows")
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="rows to read")
    parser.add_argument("--data", type=Path, default=PAIRS, help="JSONL of conflict pairs")
    parser.add_argument("--model", default="default", help="generator")
    parser.add_argument("--skill", default="none", help="reader of the passages: auto, a name, a folder, or none")
    parser.add_argument("--write", type=Path, help="page whose section is replaced")
    args = parser.parse_args()
    if not args.data.is_file():
        raise SystemExit(f"no conflict pairs at {args.data}; give a file with --data")
    pairs = choose_rows(rows(args.data), args.rows, is_dev=args.choose, is_quick=args.quick)
    with tempfile.TemporaryDirectory() as folder, Engine.open(folder, model=args.model) as engine:
        engine.add(ROOT / "examples" / "corpus")
        sets = {"pairs": among_others(pairs)}
        if not args.choose:
            sets["demo"] = demo_items(engine)
            sets["one passage"] = [replace(item, passages=item.passages[:1]) for item in among_others(pairs, place=0)]
        measured = measure_all(engine, sets, choices() if args.choose else DIAL | OTHERS, args.skill)
    report(measured, sets, args)


def choices() -> dict[str, Options]:
    """Settings of the dial to choose among, and what they are compared with."""
    grid: dict[str, Options] = {
        f"dial 0, plausible {plausible:g}, strength {strength:g}": {
            "decoder": "dial",
            "alpha": 0.0,
            "plausible": plausible,
            "strength": strength,
        }
        for plausible in (0.1, 0.3, 0.5, 0.7)
        for strength in (0.5, 1.0, 2.0)
    }
    grid |= {f"dial auto, knows {knows:g}": {"decoder": "dial", "knows": knows} for knows in (0.1, 0.2, 0.5)}
    return grid | {name: OTHERS[name] for name in REFERENCES}


def choose_rows(data: Sequence[Row], num: int, *, is_dev: bool, is_quick: bool) -> list[Row]:
    """Rows of the development part or of the other one; in a quick run those of the shortest passages."""
    part = data[:NUM_DEV] if is_dev else data[NUM_DEV:]
    if not is_quick:
        return list(part[:num])
    return sorted(part, key=lambda row: len(row["conflicting_context"]))[: min(num, NUM_QUICK)]


def demo_items(engine: Engine) -> list[Item]:
    """The questions of the examples with the three passages that the default retrieval finds."""
    questions = rows(ROOT / "examples" / "questions.jsonl")
    rankings = engine.retrieve([row["question"] for row in questions], top_k=3)
    return [
        Item(row["question"], row["document_answer"], tuple(scored.passage for scored in ranking))
        for row, ranking in zip(questions, rankings, strict=True)
    ]


def among_others(pairs: Sequence[Row], place: int | None = None) -> list[Item]:
    """Each conflicting passage among those of the next two pairs, at the three places of the ranking in turn."""
    texts = [row["conflicting_context"] for row in pairs]
    items = []
    for index, row in enumerate(pairs):
        chosen = [texts[(index + step) % len(texts)] for step in (1, 2)]
        chosen.insert(index % 3 if place is None else place, texts[index])
        passages = tuple(Passage(f"{i}:0", str(i), str(i), "", text) for i, text in enumerate(chosen))
        items.append(Item(row["question"], row["conflicting_answer"], passages))
    return items


def measure_all(
    engine: Engine, sets: Mapping[str, Sequence[Item]], decoders: Mapping[str, Options], skill: str
) -> dict[str, dict[str, Score]]:
    """Scores by set and decoder; of one passage only those that the goal names."""
    single = {name: options for name, options in decoders.items() if name.startswith("dial 0") or name in REFERENCES}
    return {
        name: score_all(items, ask(engine, items, single if name == "one passage" else decoders, skill))
        for name, items in sets.items()
        if items
    }


def ask(engine: Engine, items: Sequence[Item], decoders: Mapping[str, Options], skill: str) -> dict[str, list[Answer]]:
    """The answers by decoder, all in one batch."""
    states = [
        given_state(
            # Without a verdict, which would repair what a decoder wrote.
            engine.query(
                item.question,
                max_tokens=MAX_TOKENS,
                conflict_report=name == "memory",
                verdict=False,
                skill=skill,
                **options,
            ),
            rank_passages(item.passages),
        )
        for item in items
        for name, options in decoders.items()
    ]
    num_done = 0
    with counting_bar("answers") as show:

        def on_answer(_index: int, _answer: Answer) -> None:
            nonlocal num_done
            num_done += 1
            show(num_done, len(states))

        answers = collect(engine.pipeline.run(states), len(states), on_answer)
    return {name: answers[index :: len(decoders)] for index, name in enumerate(decoders)}


def score_all(items: Sequence[Item], answers: Mapping[str, Sequence[Answer]]) -> dict[str, Score]:
    """The scores by decoder."""
    floor = min(fluency(answer) for answer in answers["plain"]) - MARGIN_NATS
    own = [normalize(answer.text) for answer in answers["memory"]]
    return {name: score(items, given, own, floor) for name, given in answers.items()}


def score(items: Sequence[Item], answers: Sequence[Answer], own: Sequence[str], floor: float) -> Score:
    """The scores of one decoder."""
    num = len(items)
    documents = [contains_answer(a.text, [i.document_answer]) for a, i in zip(answers, items, strict=True)]
    memory = [normalize(answer.text) == text for answer, text in zip(answers, own, strict=True)]
    off = [answer.finish_reason == "length" or fluency(answer) < floor for answer in answers]
    return Score(sum(documents) / num, sum(memory) / num, sum(off) / num)


def fluency(answer: Answer) -> float:
    """Mean log-probability of the answer's tokens, nats, under the stream that likes it better."""
    return max(mean_logprob(answer.conflict.steps, name) for name in ("context", "parametric"))


def mean_logprob(steps: Sequence[Step], stream: str) -> float:
    """Under one stream; minus infinity for one that was not run."""
    values = [getattr(step, f"{stream}_logprob") for step in steps]
    return -float("inf") if None in values else sum(values) / len(values)


def pooled(measured: Mapping[str, Mapping[str, Score]], sizes: Mapping[str, int], name: str) -> Score:
    """One decoder's shares over all answers of the sets with several passages."""
    parts = [(part[name], sizes[key]) for key, part in measured.items() if key != "one passage"]
    total = sum(size for _, size in parts)
    fields = ("documents", "memory", "off_language")
    return Score(*(sum(getattr(part, field) * size for part, size in parts) / total for field in fields))


def report(
    measured: Mapping[str, Mapping[str, Score]], sets: Mapping[str, Sequence[Item]], args: argparse.Namespace
) -> None:
    """Print the tables and the JSON line, and write the section of ``page``."""
    sizes = {name: len(items) for name, items in sets.items()}
    scores = {name: pooled(measured, sizes, name) for name in measured["pairs"]}
    text = section(measured, sizes, scores, args) if "demo" in sets else table(measured)
    print(text)
    if args.write and "demo" in sets:
        write_section(args.write, text)
    dial = {name.removeprefix("dial "): vars(value) for name, value in scores.items() if name.startswith("dial ")}
    others = {name: vars(value) for name, value in scores.items() if not name.startswith("dial ")}
    details = {key: {name: vars(value) for name, value in part.items()} for key, part in measured.items()}
    print(json.dumps({"dial": dial, "others": others, "details": details, "num_questions": sizes}))


def section(
    measured: Mapping[str, Mapping[str, Score]],
    sizes: Mapping[str, int],
    scores: Mapping[str, Score],
    args: argparse.Namespace,
) -> str:
    """The tables in Markdown, with what they show and the options that made them."""
    has_skill = args.skill != "none"
    flags = {"--quick": args.quick, f"--rows {args.rows}": args.rows != NUM_ROWS, f"--skill {args.skill}": has_skill}
    options = "".join(f" {flag}" for flag, is_set in flags.items() if is_set)
    reading = "with a reader skill on the stream with the passages" if has_skill else "without a skill"
    head = HEAD.format(
        options=options, num_demo=sizes["demo"], num_pairs=sizes["pairs"], max_tokens=MAX_TOKENS, reading=reading
    )
    several = table({"both": scores, "examples": measured["demo"], "pairs": measured["pairs"]})
    single = table({"one passage": measured["one passage"]})
    title = TITLE_WITH_SKILL if has_skill else TITLE
    return f"{title}\n\n{head}\n{several}\nThe same pairs with their own passage alone:\n\n{single}"


def table(columns: Mapping[str, Mapping[str, Score]]) -> str:
    """One line for each decoder, three figures for each set."""
    titles = [f"{key}: {field}" for key in columns for field in ("documents", "memory", "off language")]
    lines = [f"| decoder | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    for name in next(iter(columns.values())):
        values = [value for column in columns.values() for value in vars(column[name]).values()]
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")
    return "\n".join(lines) + "\n"


def write_section(page: Path, text: str) -> None:
    """Replace the section of this title, or add it at the end."""
    old, title = page.read_text(encoding="utf-8"), text.partition("\n")[0]
    rest = re.sub(rf"^{re.escape(title)}\n.*?(?=^## |\Z)", "", old, flags=re.DOTALL | re.MULTILINE).rstrip("\n")
    page.write_text(f"{rest}\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
