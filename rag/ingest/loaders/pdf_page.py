"""A PDF page as words, lines and rules, with their places. Lengths are in points, from the lower left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median


@dataclass(frozen=True)
class Word:
    """A word, its box, and the size of its font."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float


@dataclass(frozen=True)
class Line:
    """Words on one base line, in the order of reading."""

    words: tuple[Word, ...]

    @cached_property
    def left(self) -> float:
        return min(word.left for word in self.words)

    @cached_property
    def right(self) -> float:
        return max(word.right for word in self.words)

    @cached_property
    def bottom(self) -> float:
        return median(word.bottom for word in self.words)

    @cached_property
    def top(self) -> float:
        return max(word.top for word in self.words)

    @cached_property
    def size(self) -> float:
        """Of most of its words."""
        return max(median(word.size for word in self.words), 1.0)

    @cached_property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class Rule:
    """A straight line on the page: upright or level, where, from, to."""

    is_upright: bool
    position: float
    start: float
    end: float


@dataclass(frozen=True)
class Page:
    """One page as it is shown."""

    number: int
    width: float
    height: float
    lines: tuple[Line, ...]
    rules: tuple[Rule, ...]
