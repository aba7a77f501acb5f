"""How two answers relate: they are equal, one is a fuller form of the other, or they differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Sameness = Literal["equal", "fuller", "different"]
RANK: dict[Sameness, int] = {"different": 0, "fuller": 1, "equal": 2}


def weakest(parts: Iterable[Sameness]) -> Sameness:
    """The sameness of a whole from that of its parts; equal without parts."""
    return min(parts, key=RANK.__getitem__, default="equal")
