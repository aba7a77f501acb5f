"""How far a comparison of a library has come, in a file beside it, so that an interrupted one goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.core.process.files import write_atomically

# Raise it when the same sentences are compared in another way: then nothing that was found before counts.
RULES = 1
FILE_NAME = "conflicts.json"

Pair = tuple[int, int]
"""Numbers of two sentences that contradict each other."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of one comparison.

    Attributes:
        file: where it is kept.
        stamp: of the library; a state with another stamp is of another content, and does not count.
    """

    file: Path
    stamp: str

    def load(self) -> tuple[int, list[Pair]]:
        """How many sentences were compared, and what was found; nothing where there is no state of this content."""
        try:
            state = json.loads(self.file.read_text("utf-8"))
            if state["stamp"] != self.stamp or state["rules"] != RULES:
                return 0, []
            return int(state["num_done"]), [(int(one), int(other)) for one, other in state["found"]]
        except (OSError, ValueError, KeyError, TypeError):
            return 0, []

    def save(self, num_done: int, pairs: Sequence[Pair]) -> None:
        """Replace the state; a full or read-only disk is no reason to stop comparing."""
        state = {"stamp": self.stamp, "rules": RULES, "num_done": num_done, "found": list(pairs)}
        try:
            write_atomically(self.file, json.dumps(state).encode())
        except OSError:
            return
