"""How well a question's words name the relations of a path, hop by hop.

A question wraps its hops around the subject: in "the sex of Ada's child" the first hop stands next to the subject and
the last one farthest away. So the words are put in the order of the walk: those after the subject, then those before
it, backwards. A path is worth the best division of that order into one run of words for each relation. A path that is
too short must take words of two hops as one, and a path that is too long must split them. Words that stand side by side
are rarely two hops, so parting them costs as much as a hop is worth.

Source: ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.names import canonical, find_pieces, is_unspaced
from rag.core.english import FUNCTION_WORDS

Scores = NDArray[np.float64]
# These say what kind of thing is asked for, or stand for it ("other half").
_ASKING_WORDS = frozenset(("who", "where", "when", "how", "why", "other"))
_EMPTY_WORDS = (FUNCTION_WORDS - _ASKING_WORDS) | {"s", "name"}
# Words farther from the subject are left out: each run of words is encoded.
_MAX_WORDS = 12
_MAX_RUN = 4
_IMPOSSIBLE = -np.inf
# Taken off where two words that stand side by side are parted.
_SPLIT_COST = 1.0
_POSSESSIVE = re.compile(r"\s*['\u2019]s\b")


@dataclass(frozen=True)
class WalkWords:
    """The content words of a question in the order of the walk.

    Attributes:
        words: each with its place in the question.
    """

    words: tuple[tuple[int, str], ...]

    @classmethod
    def build(cls, question: str, subject: str) -> WalkWords:
        """The words around ``subject``, which is in the graph's spelling."""
        # A possessive parts two hops as "of" does; the graph's spelling would drop it.
        text = canonical(_POSSESSIVE.sub(" of ", question))
        name = subject if is_unspaced(subject) else f" {subject} "
        before, _, after = f" {text if name in f' {text} ' else canonical(question)} ".partition(name)
        first, second = _content_words(before), _content_words(after)
        num_before = len(find_pieces(before)) + 1
        order = [*((place + num_before, word) for place, word in second), *reversed(first)]
        return cls(tuple(order[:_MAX_WORDS]))

    def split_cost(self, first: int) -> float:
        """What it costs that a run begins with this word."""
        is_beside = first > 0 and abs(self.words[first][0] - self.words[first - 1][0]) == 1
        return _SPLIT_COST if is_beside else 0.0

    def runs(self) -> dict[tuple[int, int], str]:
        """Every run of neighbouring words, first and last (excluded), as it stands in the question."""
        return {
            (first, last): " ".join(word for _, word in sorted(self.words[first:last]))
            for first in range(len(self.words))
            for last in range(first + 1, min(len(self.words), first + _MAX_RUN) + 1)
        }


def align(
    words: WalkWords, paths: Sequence[tuple[str, ...]], cosines: Mapping[str, Mapping[str, float]], floor: float
) -> list[float]:
    """For each path the best sum of ``cosine - floor`` over its relations; 0 where there are more relations than words.

    Args:
        words: of the question; all of them are divided among the relations.
        paths: relation paths.
        cosines: by relation, of every run of words.
        floor: what a hop must reach to be worth more than none.
    """
    runs, size = words.runs(), len(words.words)
    tables: dict[str, Scores] = {}
    for relation in {relation for path in paths for relation in path}:
        table = np.full((size + 1, size + 1), _IMPOSSIBLE)
        for (first, last), text in runs.items():
            table[first, last] = cosines[relation][text] - floor - words.split_cost(first)
        tables[relation] = table
    # By beginning of a path: [size + 1], the best sum when so many words are used up.
    used: dict[tuple[str, ...], Scores] = {(): np.where(np.arange(size + 1) == 0, 0.0, _IMPOSSIBLE)}
    return [max(_extend(path, used, tables)[size], 0.0) if size else 0.0 for path in paths]


def _extend(path: tuple[str, ...], used: dict[tuple[str, ...], Scores], tables: Mapping[str, Scores]) -> Scores:
    if path not in used:
        former = _extend(path[:-1], used, tables)
        used[path] = (former[:, None] + tables[path[-1]]).max(axis=0)
    return used[path]


def _content_words(text: str) -> list[tuple[int, str]]:
    words = enumerate(text[first:last] for first, last in find_pieces(text))
    return [(place, word) for place, word in words if word not in _EMPTY_WORDS]
