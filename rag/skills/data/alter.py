"""Altered passages: an answer replaced by another of its kind, wherever it stands.

A model that learns from them answers what the passage says, not what it remembers. Source: Longpre et al. 2021
(entity substitution); Li et al. 2023 (KAFT), counterfactual contexts.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.conflicts.reading.spans import answer_kind
from rag.skills.data.rows import Row

Kind = Literal["year", "date", "number", "person", "place", "name", "phrase"]

_YEAR = re.compile(r"1\d{3}|20\d\d")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_MONTH = re.compile("|".join(_MONTHS))
_DIGITS = re.compile(r"\d[\d,]*\d|\d")
_LAST_YEAR, _FIRST_YEAR = 2025, 1000


@dataclass(frozen=True)
class Pools:
    """Answers by kind; what an answer is replaced by."""

    by_kind: Mapping[Kind, Sequence[str]]


def find_kind(question: str, answer: str) -> Kind:
    """What an answer looks like, and for names what its question asks for."""
    if _YEAR.fullmatch(answer):
        return "year"
    if _MONTH.search(answer) and _DIGITS.search(answer):
        return "date"
    if _DIGITS.search(answer):
        return "number"
    if not answer[:1].isupper():
        return "phrase"
    asked = answer_kind(question)
    return "person" if asked == "person" else "place" if asked == "place" else "name"


def gather_pools(rows: Iterable[Row]) -> Pools:
    """The answers of all rows, each once, by kind."""
    pools: dict[Kind, dict[str, None]] = defaultdict(dict)
    for row in rows:
        for answer in row.answers[:1]:
            pools[find_kind(row.question, answer)][answer] = None
    return Pools({kind: tuple(answers) for kind, answers in pools.items()})


def alter(row: Row, pools: Pools, rng: random.Random) -> Row | None:
    """The row with another answer in its passage; ``None`` where that cannot be done.

    The passage must hold the answer, and the question must not: a replaced name would no longer be the one asked about.
    """
    answer = next((answer for answer in row.answers if _place(answer).search(row.text)), None)
    if answer is None or _place(answer).search(row.question) or _place(answer).search(row.title):
        return None
    other = replace_answer(find_kind(row.question, answer), answer, pools, rng)
    if other is None or other.casefold() in row.text.casefold():
        return None
    text = _place(answer).sub(lambda _: other, row.text)
    if find_kind(row.question, answer) == "person":
        text = _rename(text, answer, other)
    return Row(row.document, row.title, text, row.question, (other,), row.is_written)


def _place(answer: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(answer)}(?!\w)", re.IGNORECASE)


def _rename(text: str, answer: str, other: str) -> str:
    """Also the last name alone."""
    last, new = answer.split()[-1], other.split()[-1]
    return re.sub(rf"(?<!\w){re.escape(last)}(?!\w)", lambda _: new, text) if " " in answer and len(last) > 3 else text


def replace_answer(kind: Kind, answer: str, pools: Pools, rng: random.Random) -> str | None:
    """Another answer of a kind; ``None`` where the pools hold none."""
    match kind:
        case "year":
            return _another_year(answer, rng)
        case "date":
            moved = _MONTH.sub(lambda _: rng.choice(_MONTHS), answer)
            return _DIGITS.sub(lambda match: _another_part(match.group(), rng), moved)
        case "number":
            return _DIGITS.sub(lambda match: _another_number(match.group(), rng), answer)
        case _:
            others = pools.by_kind.get(kind, ())
            drawn = [rng.choice(others) for _ in range(4)] if others else []
            return next((item for item in drawn if item.casefold() != answer.casefold()), None)


def _another_year(year: str, rng: random.Random) -> str:
    moved = int(year) + rng.choice((-1, 1)) * rng.randint(1, 60)
    return str(min(_LAST_YEAR, max(_FIRST_YEAR, moved)))


def _another_part(digits: str, rng: random.Random) -> str:
    """Of a date: its year, or its day."""
    return _another_year(digits, rng) if len(digits) == 4 else str(rng.randint(1, 28))


def _another_number(digits: str, rng: random.Random) -> str:
    """Of as many digits, written the same way."""
    if _YEAR.fullmatch(digits):
        return _another_year(digits, rng)
    drawn = str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in range(sum(map(str.isdigit, digits)) - 1))
    supply = iter(drawn)
    return "".join(next(supply) if sign.isdigit() else sign for sign in digits)
