"""Real paragraphs for the patch benchmark: squad2, split by title, each with its own human questions.

The titles in alphabetical order: every second one is for testing, the others for choosing settings. No setting, and no
rule of the question writer, was chosen on a paragraph of the test titles. *Computational complexity theory* is left
out: the reader that ships learnt it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.patching import Row
from benchmarks.sets import rows
from rag.patches.base import PatchDocument

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "squad2"
TEST_TITLES = (
    "Force",
    "Harvard University",
    "Immune system",
    "Islamism",
    "Packet switching",
    "Steam engine",
    "Yuan dynasty",
)
DEV_TITLES = (
    "1973 oil crisis",
    "European Union law",
    "French and Indian War",
    "Huguenot",
    "Imperialism",
    "Normans",
    "Scottish Parliament",
    "Warsaw",
)
NUM_PARAGRAPHS, MIN_WORDS = 40, 30


@dataclass(frozen=True)
class Paragraph:
    """A paragraph and its answerable questions, each with all answers that count as right."""

    document: PatchDocument
    questions: tuple[tuple[str, tuple[str, ...]], ...]


def load_paragraphs(folder: Path, titles: Sequence[str], count: int) -> list[Paragraph]:
    """The first paragraphs of each title in turn that have ``MIN_WORDS`` words and a question."""
    questions: dict[str, list[Row]] = {}
    for row in rows(folder / "questions.jsonl"):
        if row["is_answerable"]:
            questions.setdefault(row["gold_doc_ids"][0], []).append(row)
    by_title: dict[str, list[Paragraph]] = {title: [] for title in titles}
    for row in rows(folder / "corpus.jsonl"):
        if row["title"] in by_title and row["doc_id"] in questions and len(row["text"].split()) >= MIN_WORDS:
            asked = tuple((q["question"], tuple(q["answers"])) for q in questions[row["doc_id"]])
            document = PatchDocument(row["doc_id"], row["title"], row["text"], row["doc_id"])
            by_title[row["title"]].append(Paragraph(document, asked))
    longest = max(map(len, by_title.values()))
    in_turn = [group[turn] for turn in range(longest) for group in by_title.values() if turn < len(group)]
    return in_turn[:count]


def other_paragraph(paragraphs: Sequence[Paragraph], number: int) -> int:
    """The next paragraph of the same title where there is one: the hardest swap."""
    others: list[int] = [*range(number + 1, len(paragraphs)), *range(number)]
    title = paragraphs[number].document.title
    return next((other for other in others if paragraphs[other].document.title == title), others[0])
