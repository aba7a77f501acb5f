"""What a check of a library reports, and what the checks of all kinds of libraries share.

The texts are the truth. Vectors, indexes and extractions can be made again from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rag.core.encoding import Vectors
from rag.core.errors import ConcordError

Part = Literal["file", "passages", "vectors", "sparse index", "vector index", "graph"]
# Whether bytes that an extractor kept can be read for a passage with this text.
IsReadable = Callable[[bytes, str], bool]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        part: where.
        problem: what, and what to do about it where it cannot be repaired here.
        is_repaired: it was put right.
    """

    part: Part
    problem: str
    is_repaired: bool = False


@dataclass(frozen=True)
class Damage:
    """Something that is wrong, and how to repair it; ``None`` where only the owner can."""

    part: Part
    problem: str
    repair: Callable[[], None] | None = None


def settle(damages: Iterable[Damage], *, is_repairing: bool) -> list[Finding]:
    """Report every damage, repaired if asked to and possible; each is repaired before the next is looked for."""
    return [_repaired(damage) if is_repairing else Finding(damage.part, damage.problem) for damage in damages]


def _repaired(damage: Damage) -> Finding:
    if damage.repair is None:
        return Finding(damage.part, damage.problem)
    try:
        damage.repair()
    except (ConcordError, OSError) as error:
        return Finding(damage.part, f"{damage.problem}; not repaired: {error}")
    return Finding(damage.part, damage.problem, is_repaired=True)


def is_unit(vector: Vectors) -> bool:
    """Whether a vector ``[D]`` has length 1, or 0 as that of a text without a word that the encoder knows."""
    norm = float(np.linalg.norm(vector))
    return norm == 0 or abs(norm - 1) < 1e-3  # False for NaN and infinity
