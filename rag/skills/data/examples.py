"""Examples: what stands in the prompt, what is asked, and what the reader shall reply.

Five kinds, after the lesson of each in the literature: the passage as it is; the passage with its answer altered, which
teaches to follow the passage and not memory; a passage of another document, and one that leaves the question open,
which teach to say so (Li et al. 2023, KAFT); several passages of which one counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kg.stems import stems
from rag.core.passages import Passage
from rag.core.verdict import NOT_STATED
from rag.skills.data.alter import alter, find_kind, gather_pools, replace_answer
from rag.skills.data.rows import Row
from rag.skills.data.styles import restyle

ExampleKind = Literal["agreeing", "altered", "foreign", "open", "among"]

_NUM_NEIGHBOURS = 40
_MAX_CHARACTERS = 2400


@dataclass(frozen=True)
class Example:
    """One thing to learn.

    Attributes:
        kind: which of the five.
        question: as asked.
        passages: best first, as the engine puts them into the prompt.
        reply: the answer in a few words, or that the documents do not say.
        original: the answer before the passage was altered; empty for the other kinds.
    """

    kind: ExampleKind
    question: str
    passages: tuple[Passage, ...]
    reply: str
    original: str = ""


@dataclass(frozen=True)
class Recipe:
    """How much of each.

    Attributes:
        shares: by kind, in any unit.
        written: share of questions that a program wrote, where people's are there too.
        max_passages: most passages of ``among``.
    """

    shares: Mapping[ExampleKind, float] = field(
        default_factory=lambda: {"agreeing": 0.3, "altered": 0.38, "foreign": 0.12, "open": 0.05, "among": 0.15}
    )
    written: float = 0.4
    max_passages: int = 3


# Of a preference stage: answers are in question more than refusals are, which were learnt before.
PREFERENCE_RECIPE = Recipe({"agreeing": 0.35, "altered": 0.35, "foreign": 0.15, "open": 0.05, "among": 0.1})


class Maker:
    """Makes examples of rows, as many as one asks for: each draw alters and restyles anew.

    Args:
        rows: of one side of a split.
        recipe: how much of each kind.
    """

    def __init__(self, rows: Sequence[Row], recipe: Recipe | None = None) -> None:
        self._recipe = recipe or Recipe()
        self._pools = gather_pools(rows)
        answered = [row for row in rows if row.answers]
        self._answered = _by_writer(answered)
        self._open = _by_writer([row for row in rows if not row.answers])
        self._passages = list({row.text: row for row in rows}.values())
        self._stems = [frozenset(stems(f"{row.title} {row.text[:600]}")) for row in self._passages]

    def draw(self, number: int, seed: int) -> Iterator[Example]:
        """``number`` examples; the same ones for the same seed."""
        rng = random.Random(seed)
        kinds, weights = list(self._recipe.shares), list(self._recipe.shares.values())
        while number > 0:
            example = self._make(rng.choices(kinds, weights)[0], rng)
            if example is not None:
                number -= 1
                yield example

    def other_answer(self, question: str, answer: str, rng: random.Random) -> str | None:
        """An answer of the same kind as ``answer``, or of any row's where there is none."""
        if not answer:
            pools = [pool for pool in self._answered if pool]
            return reply(rng.choice(rng.choice(pools))) if pools else None
        return replace_answer(find_kind(question, answer), answer, self._pools, rng)

    def _make(self, kind: ExampleKind, rng: random.Random) -> Example | None:
        row = self._pick(self._open if kind == "open" else self._answered, rng)
        if row is None:
            return None
        match kind:
            case "altered":
                changed = alter(row, self._pools, rng)
                return _single(kind, restyle(changed, rng), original=reply(row)) if changed else None
            case "foreign":
                other = self._foreign(row, rng)
                return _single(kind, restyle(Row(other.document, other.title, other.text, row.question), rng))
            case "among":
                return self._among(row, rng)
            case _:
                return _single(kind, restyle(row, rng))

    def _pick(self, pools: Sequence[Sequence[Row]], rng: random.Random) -> Row | None:
        by_people, by_program = pools
        is_written = not by_people or (bool(by_program) and rng.random() < self._recipe.written)
        chosen = by_program if is_written else by_people
        return rng.choice(chosen) if chosen else None

    def _foreign(self, row: Row, rng: random.Random) -> Row:
        """A passage of another document that holds none of the answers: any, or the nearest of several."""
        asked = frozenset(stems(f"{row.question}"))
        drawn = [rng.randrange(len(self._passages)) for _ in range(_NUM_NEIGHBOURS)]
        fitting = [index for index in drawn if _is_foreign(row, self._passages[index])] or drawn[:1]
        if rng.random() < 0.5:
            return self._passages[fitting[0]]
        return self._passages[max(fitting, key=lambda index: len(asked & self._stems[index]))]

    def _among(self, row: Row, rng: random.Random) -> Example | None:
        """Several passages, in any order; in most cases one of them answers."""
        others = [self._foreign(row, rng) for _ in range(rng.randint(1, self._recipe.max_passages - 1))]
        has_answer = rng.random() < 0.75
        if has_answer and rng.random() < 0.5:
            row = alter(row, self._pools, rng) or row
        styled = restyle(row, rng)
        plain = [restyle(Row(other.document, other.title, other.text, ""), rng) for other in others]
        shown = [*plain, styled] if has_answer else plain
        rng.shuffle(shown)
        room = _MAX_CHARACTERS // len(shown)
        if any(len(item.text) > room for item in shown if item is styled):
            return None
        passages = tuple(_passage(item, item.text[:room]) for item in shown)
        return Example("among", styled.question, passages, reply(styled) if has_answer else NOT_STATED)


def reply(row: Row) -> str:
    """The answer that people would give, or that there is none: the middle one by length, if the passage has it."""
    standing = [answer for answer in row.answers if answer.casefold() in row.text.casefold()] or list(row.answers)
    return sorted(standing, key=len)[(len(standing) - 1) // 2] if standing else NOT_STATED


def _single(kind: ExampleKind, row: Row, original: str = "") -> Example | None:
    if len(row.text) > _MAX_CHARACTERS:
        return None
    return Example(kind, row.question, (_passage(row, row.text),), reply(row), original)


def _passage(row: Row, text: str) -> Passage:
    return Passage("", "", "", row.title, text)


def _is_foreign(row: Row, other: Row) -> bool:
    text = other.text.casefold()
    return other.document != row.document and not any(answer.casefold() in text for answer in row.answers)


def _by_writer(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    return [row for row in rows if not row.is_written], [row for row in rows if row.is_written]
