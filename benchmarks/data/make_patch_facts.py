"""Writes patch_facts.jsonl: invented documents, three facts each, and questions about them.

    python benchmarks/data/make_patch_facts.py

Every name is made of syllables, so no model can know one. The test questions are worded by hand, per kind of document,
with other words than the sentences ("founded" is asked as "established"), and never pass through the writer that makes
the training questions.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

SYLLABLES = "bel cor dra fen gol hes jor kel lom mir nal orv pel quen ras sol tor ulm vas wen yar zel".split()
ENDINGS = "an eth or im us ane ick old ara en".split()
PER_KIND = 4
# Kind: how its name ends, its text, and per fact the answer's field, the test question.
KINDS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "company": (
        " Instruments",
        "{title} was founded by {person}. The company was started in {year}. Its head office is in {place}. "
        "It makes compasses and levels for surveyors.",
        [("person", "Who established {title}?"), ("year", "What year did {title} begin trading?"),
         ("place", "In which town is {title} headquartered?")],
    ),
    "ship": (
        " (ship)",
        "The {title} was built in {place}. Her first captain was {person}. She carries {number} passengers. "
        "In summer she sails along the northern coast.",
        [("place", "Which shipyard town constructed the {title}?"),
         ("person", "Who was first to command the {title}?"),
         ("number", "How many people can travel on board the {title}?")],
    ),
    "village": (
        "",
        "{title} is a village on the river {river}. The mayor of {title} is {person}. "
        "{title} has {number} inhabitants. Its market is held every week.",
        [("river", "Which river flows through {title}?"), ("person", "Who heads the local government of {title}?"),
         ("number", "What is the population of {title}?")],
    ),
    "novel": (
        "",
        "The novel {title} was written by {person}. It was first published in {year}. The story is set in {place}. "
        "Its heroine repairs clocks.",
        [("person", "Who is the author of {title}?"), ("year", "When did {title} first come out?"),
         ("place", "In which city does {title} take place?")],
    ),
    "school": (
        " School",
        "{title} is led by {person}. The school was opened in {year}. It stands on {street} Street. "
        "Its pupils learn bookbinding and printing.",
        [("person", "Who is the head of {title}?"), ("year", "What year did {title} first open its doors?"),
         ("street", "On which street can you find {title}?")],
    ),
}  # fmt: skip


def main() -> None:
    """Write the file beside this script."""
    rng = random.Random(11)
    used: set[str] = set()

    def name() -> str:
        while True:
            made = (rng.choice(SYLLABLES) + rng.choice(SYLLABLES)[:2] + rng.choice(ENDINGS)).capitalize()
            if made not in used:
                used.add(made)
                return made

    lines = []
    for kind, (ending, text, facts) in KINDS.items():
        for _ in range(PER_KIND):
            fields = {field: name() for field in ("place", "river", "street")}
            fields |= {"person": f"{name()} {name()}", "year": str(rng.randrange(1710, 1990))}
            fields |= {"number": str(rng.randrange(1200, 9800)), "title": name() + ending.replace(" (ship)", "")}
            questions = [
                {"question": question.format(**fields), "answer": fields[field]} for field, question in facts
            ]
            row = {"kind": kind, "title": fields["title"], "text": text.format(**fields), "questions": questions}
            lines.append(json.dumps(row))
    Path(__file__).with_name("patch_facts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
