"""All rows of a training run: people's questions from files, and a program's about every passage; split by document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from rag.skills.data.relations import write_open, write_relations
from rag.skills.data.rows import Row

_SHARE_HELD_OUT = 0.05


def write_rows(passages: Iterable[tuple[str, str, str]]) -> list[Row]:
    """Questions that the rules write about passages: those that they answer, and those that they leave open."""
    texts = {text: (document, title, text) for document, title, text in passages}
    return [row for item in texts.values() for writer in (write_relations, write_open) for row in writer(*item)]


def split(rows: Sequence[Row], share: float = _SHARE_HELD_OUT) -> tuple[list[Row], list[Row]]:
    """Rows to learn from, and rows that are held out: by document, and the same ones in every run."""
    held_out = {row.document for row in rows if _fraction(row.document) < share}
    kept = [row for row in rows if row.document not in held_out]
    return kept, [row for row in rows if row.document in held_out]


def _fraction(name: str) -> float:
    """A number of the name, 0 to 1, evenly spread."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48
