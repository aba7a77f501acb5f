"""How well documents are compared with each other, without a model.

    python benchmarks/verdict_documents.py [--data FOLDER] [--cases FOLDER] [--half choose|report] [--wrong]

* ``documents_relation``: F1 of "contradicts" over pairs of passages. They contradict each other: two passages of the
  pairs files (true and altered), two wordings of the dynamicqa files. They do not: two passages of one squad2 article
  (two facts about one thing), two RAMDocs documents with one answer (one fact in two wordings), harmless pairs of
  ``data/statement_pairs.jsonl``.
* ``sentence_pairs``, ``conflict_cases``: accuracy on the small cases beside the checkout.
* ``ramdocs_strict``: share of RAMDocs questions whose answer holds every right answer and no wrong one, when every
  document's own answer is known: what grouping and policy can reach. ``lone_sources``: how many positions of one source
  are wrong there.

Constants were chosen on the first half of each file; the figures are of the second half, unless ``--half choose``. The
statement pairs are our own, and rules were mended after both halves of them were seen: they guard, they do not measure.
Prints a table, then one JSON object on the last line: the F1 by configuration, which no model changes, and ``details``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from eval.metrics.answers import contains_answer
from rag.conflicts.answers.same import normalize
from rag.conflicts.library.texts import contradict_texts
from rag.conflicts.verdict.compose import compose
from rag.conflicts.verdict.copies import is_altered_copy
from rag.conflicts.verdict.grouping import group_readings
from rag.conflicts.verdict.judge import Evidence, judge
from rag.conflicts.verdict.policy import choose
from rag.core.verdict import Policy, Reading

HERE = Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared"
NUM_PER_SOURCE = 100
CONFIGURATIONS = ("default", "default_bare", "qwen0.5b")
_UNKNOWN = ("unknown", "")


@dataclass(frozen=True)
class PassagePair:
    """Two passages, where they come from, and whether they contradict each other."""

    source: str
    one: str
    other: str
    is_clash: bool


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder of the data sets")
    parser.add_argument("--cases", type=Path, default=SHARED / "cases", help="folder of the small cases")
    parser.add_argument("--half", choices=("choose", "report"), default="report", help="which half of each file")
    parser.add_argument("--wrong", action="store_true", help="list the pairs that are judged wrongly")
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"no data sets at {args.data}; give their folder with --data")
    result = measure(args.data, args.cases, args.half, list_wrong=args.wrong)
    Console().print(build_table(result))
    f1 = result["documents_relation"]["f1"]
    print(json.dumps({**dict.fromkeys(CONFIGURATIONS, f1), "details": result}))


def measure(data: Path, cases: Path, half: str = "report", *, list_wrong: bool = False) -> dict[str, Any]:
    """Every figure of this file, by name."""
    rows = read_rows(data / "ramdocs" / "ramdocs_dev.jsonl")
    return {
        "documents_relation": documents_relation(data, half, list_wrong=list_wrong),
        "sentence_pairs": sentence_pairs(read_rows(cases / "sentence_pairs.jsonl"), list_wrong=list_wrong),
        "statement_pairs": sentence_pairs(own_pairs(half), list_wrong=list_wrong),
        "conflict_cases": conflict_cases(cases / "conflicts", list_wrong=list_wrong),
        "lone_sources": lone_sources(rows),
        "ramdocs_strict": {policy: ramdocs_strict(rows, policy) for policy in ("documents", "all", "majority")},
    }


def documents_relation(data: Path, half: str = "report", *, list_wrong: bool = False) -> dict[str, Any]:
    """F1, precision and recall of "contradicts", and the share judged rightly by source."""
    right: dict[str, list[bool]] = {}
    counts = {"hit": 0, "false": 0, "missed": 0}
    for pair in passage_pairs(data, half):
        clashes = contradict_texts(pair.one, pair.other)
        is_found = bool(clashes)
        right.setdefault(pair.source, []).append(is_found == pair.is_clash)
        counts["hit"] += is_found and pair.is_clash
        counts["false"] += is_found and not pair.is_clash
        counts["missed"] += pair.is_clash and not is_found
        if list_wrong and is_found != pair.is_clash:
            _show_wrong(pair, clashes)
    precision = counts["hit"] / max(1, counts["hit"] + counts["false"])
    recall = counts["hit"] / max(1, counts["hit"] + counts["missed"])
    return {
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "by_source": {source: round(sum(marks) / len(marks), 4) for source, marks in right.items()},
        "num_pairs": {source: len(marks) for source, marks in right.items()},
    }


def passage_pairs(data: Path, half: str) -> Iterator[PassagePair]:
    """At most ``NUM_PER_SOURCE`` pairs of each source, from one half of its file."""
    for name in ("disputable", "temporal"):
        for row in take_half(read_rows(data / "dynamicqa" / f"{name}_dev.jsonl"), half)[:NUM_PER_SOURCE]:
            one, other = (document["text"] for document in row["documents"])
            yield PassagePair(f"dynamicqa {name}", one, other, True)
    for name in ("squad", "musique"):
        for row in take_half(read_rows(data / "pairs" / f"{name}_train.jsonl"), half)[:NUM_PER_SOURCE]:
            yield PassagePair(f"pairs {name}", row["agreeing_context"], row["conflicting_context"], True)
    yield from _two_facts(take_half(read_rows(data / "squad2" / "corpus.jsonl"), half))
    yield from _two_wordings(take_half(read_rows(data / "ramdocs" / "ramdocs_dev.jsonl"), half))
    for row in own_pairs(half):
        if row["expected"] == "ok":
            yield PassagePair("harmless pairs", row["documents"][0], row["documents"][1], False)


def _two_facts(passages: Sequence[dict[str, Any]]) -> Iterator[PassagePair]:
    """Neighbouring passages of one article."""
    neighbours = pairwise(passages)
    same = [(a, b) for a, b in neighbours if a["title"] == b["title"] and a["text"] != b["text"]]
    for a, b in same[: NUM_PER_SOURCE * 2]:
        yield PassagePair("two facts", a["text"], b["text"], False)


def _two_wordings(rows: Sequence[dict[str, Any]]) -> Iterator[PassagePair]:
    """Two documents of one question that both give the same right answer."""
    pairs = []
    for row in rows:
        right = [document for document in row["documents"] if document["type"] == "correct"]
        same = ((a, b) for a, b in combinations(right, 2) if normalize(a["answer"]) == normalize(b["answer"]))
        pairs += [(a["text"], b["text"]) for a, b in list(same)[:1]]
    for one, other in pairs[:NUM_PER_SOURCE]:
        yield PassagePair("two wordings", one, other, False)


def sentence_pairs(rows: Sequence[dict[str, Any]], *, list_wrong: bool = False) -> dict[str, Any]:
    """Share of pairs judged rightly, and of the contradicting and the harmless ones apart."""
    marks: dict[str, list[bool]] = {"clash": [], "ok": []}
    for row in rows:
        clashes = contradict_texts(*row["documents"])
        is_right = bool(clashes) == (row["expected"] == "clash")
        marks[row["expected"]].append(is_right)
        if list_wrong and not is_right:
            one, other = row["documents"]
            _show_wrong(PassagePair(row["kind"], one, other, row["expected"] == "clash"), clashes)
    num_right = sum(map(sum, marks.values()))
    shares = {name: round(sum(part) / max(1, len(part)), 4) for name, part in marks.items()}
    return {"accuracy": round(num_right / max(1, len(rows)), 4), **shares, "num_pairs": len(rows)}


def conflict_cases(folder: Path, *, list_wrong: bool = False) -> dict[str, Any]:
    """The column ``docs`` of the small cases, judged on the documents as they are."""
    cases = [case for case in json.loads((folder / "cases.json").read_text("utf-8")) if case["docs"] != "-"]
    num_right = 0
    for case in cases:
        texts = [file.read_text("utf-8") for file in sorted((folder / case["id"]).glob("*.txt"))]
        clashes = [
            clash for i, text in enumerate(texts) for other in texts[:i] for clash in contradict_texts(other, text)
        ]
        is_right = bool(clashes) == (case["docs"] == "clash")
        num_right += is_right
        if list_wrong and not is_right:
            print("wrong:", case["id"], texts, clashes)
    return {"accuracy": round(num_right / len(cases), 4), "num_cases": len(cases)}


def ramdocs_strict(rows: Sequence[dict[str, Any]], policy: Policy = "documents") -> float:
    """Share of questions answered with every right answer and no wrong one, from the documents' known answers."""
    return round(sum(_answers_rightly(row, policy) for row in rows) / len(rows), 4)


def lone_sources(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How many positions of one source, against one with more, are wrong: edited copies, and others."""
    marks: dict[str, list[bool]] = {"edited copies": [], "others": []}
    for row in rows:
        positions = group_readings(_readings(row), row["question"])
        largest = max((position.num_sources for position in positions), default=0)
        for position in positions:
            if position.num_sources == 1 < largest:
                texts = [row["documents"][int(reading.doc_id)]["text"] for reading in position.readings]
                others = [
                    row["documents"][int(reading.doc_id)]["text"]
                    for other in positions
                    for reading in other.readings
                    if other is not position
                ]
                is_right = any(contains_answer(position.answer, [gold]) for gold in row["gold_answers"])
                marks["edited copies" if is_altered_copy(texts[0], others) else "others"].append(not is_right)
    return {name: f"{sum(part)} of {len(part)} wrong" for name, part in marks.items()}


def _readings(row: dict[str, Any]) -> list[Reading]:
    return [
        Reading(f"{i}:0", str(i), f"{i}.txt", f"{i}.txt", document["answer"])
        for i, document in enumerate(row["documents"])
        if document["answer"].lower() not in _UNKNOWN
    ]


def _answers_rightly(row: dict[str, Any], policy: Policy) -> bool:
    verdict = judge(Evidence(row["question"], group_readings(_readings(row), row["question"])))
    text = compose(verdict, choose(verdict, policy))
    is_complete = all(contains_answer(text, [gold]) for gold in row["gold_answers"])
    return is_complete and not any(contains_answer(text, [wrong]) for wrong in row["wrong_answers"])


def own_pairs(half: str) -> list[dict[str, Any]]:
    """The half of our own pairs that is named."""
    return [row for row in read_rows(HERE / "data" / "statement_pairs.jsonl") if row["half"] == half]


def take_half(rows: list[dict[str, Any]], half: str) -> list[dict[str, Any]]:
    """The first half to choose on, the second one to report."""
    middle = len(rows) // 2
    return rows[:middle] if half == "choose" else rows[middle:]


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file; none if it is not there."""
    if not file.is_file():
        print(f"skipped: {file.name} is not there", file=sys.stderr)
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]


def build_table(result: dict[str, Any]) -> Table:
    """The figures, one a line."""
    table = Table("measure", "value", title="documents against each other", title_justify="left")
    for name, value in result.items():
        for key, part in value.items():
            if isinstance(part, dict):
                for label, number in part.items():
                    table.add_row(f"{name}: {label}", str(number))
            else:
                table.add_row(f"{name}: {key}", str(part))
    return table


def _show_wrong(pair: PassagePair, clashes: Sequence[Any]) -> None:
    said = [(clash.left, clash.right, clash.one[:200], clash.other[:200]) for clash in clashes[:1]]
    print("wrong:", pair.source, "|", pair.one[:300], "|", pair.other[:300], "|", said or "nothing found")


if __name__ == "__main__":
    main()
