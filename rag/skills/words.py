"""Replies against answers, by words."""

from __future__ import annotations

from collections import Counter

from kg.names import canonical


def contains(reply: str, answer: str) -> bool:
    """Whether the answer's words stand in the reply, side by side."""
    wanted = canonical(answer)
    return bool(wanted) and f" {wanted} " in f" {canonical(reply)} "


def overlap(reply: str, answer: str) -> float:
    """F1 of the words, 0 to 1."""
    said, wanted = canonical(reply).split(), canonical(answer).split()
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted)) if common else 0.0
