"""Dates in running text: a day, a month, a year, a decade or a century, in many wordings and several languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from rag.conflicts.values.sameness import RANK, Sameness
from rag.conflicts.values.words import word_list

_MONTHS = (
    "january januar janvier enero gennaio janeiro januari jan",
    "february februar fevrier février febrero febbraio fevereiro februari feb",
    "march märz maerz mars marzo março maart mar",
    "april avril abril aprile apr",
    "may mai mayo maggio maio mei",
    "june juni juin junio giugno junho jun",
    "july juli juillet julio luglio julho jul",
    "august août aout agosto augustus aug",
    "september septembre septiembre settembre setembro sept sep",
    "october oktober octobre octubre ottobre outubro oct okt",
    "november novembre noviembre novembro nov",
    "december dezember décembre decembre diciembre dicembre dezembro dec dez",
)
_MONTH_NUMBERS = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
_ORDINALS = word_list(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth twenty-first"
)
_M = r"(?P<month>" + "|".join(sorted(map(re.escape, _MONTH_NUMBERS), key=len, reverse=True)) + r")\b\.?"
_D = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|\.)?"
_Y = r"(?P<year>1\d{3}|20\d{2})(?![\d%]|[.,]\d)"
_OF = r"(?:\s+(?:of|de|del))?"
_BEFORE = r"(?<![\w$€£¥.,/-])"
# What follows a count, so that "1900 people" is no year.
_COUNTED = (
    r"(?!\s?(?:people|inhabitants|residents|men|women|children|persons|souls|households|families|students|members|"
    r"employees|workers|soldiers|copies|words|pages|votes|points|seats|crowns|dollars|euros?|pounds|percent|per cent|"
    r"km|kilomet|met[er]|m\b|cm|mm|feet|ft|miles?|acres|hectares|kg|tons?|tonnes|lit[er]|hours?|days?|weeks?|months?|"
    r"years?|yrs?|units|times|million|billion|thousand|square|cubic|housing|books|ships|deaths|casualties|troops)\b)"
)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})\s*[年년](?:\s*(?P<month>\d{1,2})\s*[月월](?:\s*(?P<day>\d{1,2})\s*[日일号])?)?",
        rf"{_BEFORE}(?P<year>\d{{4}})-(?P<month>\d{{2}})(?:-(?P<day>\d{{2}}))?(?!\w|-\d)",
        rf"{_BEFORE}(?P<year>\d{{4}})/(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})(?!\w)",
        rf"{_BEFORE}(?P<first>\d{{1,2}})(?P<mark>[./-])(?P<second>\d{{1,2}})(?P=mark)(?P<year>\d{{4}})(?!\w)",
        rf"(?:\bthe\s+)?{_BEFORE}{_D}{_OF}\s+{_M},?{_OF}\s+{_Y}",
        rf"\b{_M}\s+(?:the\s+)?{_D},?\s+{_Y}",
        rf"\b{_M},?{_OF}\s+{_Y}",
        rf"{_BEFORE}{_D}{_OF}\s+{_M}(?![a-z])",
        rf"\b{_M}\s+(?:the\s+)?{_D}(?!\d|[.,:]\d|\s*%)",
        r"\b(?P<decade>[12]\d{2}0)['\u2019]?s\b",
        rf"\b(?P<century>\d{{1,2}}(?:st|nd|rd|th)|{'|'.join(_ORDINALS)})[\s-]+century(?P<bc>\s+b\.?c\.?(?:e\.?)?\b)?",
        rf"{_BEFORE}(?P<year>\d{{1,5}})\s*(?P<bc>b\.?c\.?(?:e\.?)?)(?!\w)",
        rf"\ba\.?d\.?\s*(?P<year>\d{{1,4}})\b|{_BEFORE}(?P<late>\d{{1,4}})\s*(?:a\.d\.|ad\b|c\.e\.|ce\b)",
        rf"{_BEFORE}{_Y}(?!['\u2019]?s\b|\s?[$€£¥]){_COUNTED}",
    )
)
_LONE_MONTH = re.compile(
    r"(?:^|\b(?:in|of|since|until|by|during|last|next|early|late|mid)\s+)(?P<month>January|February|March|April|May|"
    r"June|July|August|September|October|November|December)(?=\s*[.,;!?]|\s*$)"
)


@dataclass(frozen=True)
class Moment:
    """A date as far as it is known.

    Attributes:
        year: negative before Christ; 0 where unknown.
        month, day: 0 where unknown.
        num_years: 10 of a decade, 100 of a century, else 1.
        is_swappable: day and month may have changed places (03/04/2019).
        start, end: span in the text, end excluded.
    """

    year: int = 0
    month: int = 0
    day: int = 0
    num_years: int = 1
    is_swappable: bool = False
    start: int = 0
    end: int = 0

    @property
    def is_year(self) -> bool:
        """Only the year is known."""
        return self.year != 0 and not self.month and self.num_years == 1

    @property
    def num_fields(self) -> int:
        """How much is known, 0 to 3."""
        return sum(map(bool, (self.year, self.month, self.day)))

    def iso(self) -> str:
        """ISO 8601 as far as known; empty without a year of our era."""
        if self.year <= 0 or self.num_years > 1:
            return ""
        parts = [f"{self.year:04d}"]
        if self.month:
            parts.append(f"{self.month:02d}")
            if self.day and not self.is_swappable:
                parts.append(f"{self.day:02d}")
            elif self.is_swappable:
                parts.pop()
        return "-".join(parts)


@lru_cache(maxsize=4_000)
def find_moments(text: str) -> tuple[Moment, ...]:
    """Every date in a text, in its order; they do not overlap."""
    text = _one_to_one(text)
    taken: list[Moment] = []
    for pattern in (*_PATTERNS, _LONE_MONTH):
        for match in pattern.finditer(text):
            moment = _read(match)
            if moment and not any(moment.start < other.end and other.start < moment.end for other in taken):
                taken.append(moment)
    return tuple(sorted(taken, key=lambda moment: moment.start))


def compare_moments(one: Moment, other: Moment) -> Sameness:
    """``fuller`` where both can be true of one event and one of them says more."""
    if one.num_years != other.num_years or one.num_years > 1:
        return _compare_spans(one, other)
    pairs = ((a, b) for a in (one, *_swaps(one)) for b in (other, *_swaps(other)))
    return max((_compare_fields(a, b) for a, b in pairs), key=RANK.__getitem__)


def _compare_fields(one: Moment, other: Moment) -> Sameness:
    pairs = ((one.year, other.year), (one.month, other.month), (one.day, other.day))
    if any(a and b and a != b for a, b in pairs) or not any(a and b for a, b in pairs):
        return "different"
    return "equal" if all(a == b for a, b in pairs) else "fuller"


def _compare_spans(one: Moment, other: Moment) -> Sameness:
    if not one.year or not other.year:
        return "different"
    if (one.year, one.num_years) == (other.year, other.num_years):
        return "equal"
    wide, narrow = (one, other) if one.num_years > other.num_years else (other, one)
    return "fuller" if wide.year <= narrow.year < wide.year + wide.num_years else "different"


def _swaps(moment: Moment) -> Iterator[Moment]:
    if moment.is_swappable:
        yield replace(moment, month=moment.day, day=moment.month)


def _read(match: re.Match[str]) -> Moment | None:
    parts = match.groupdict()
    start, end = match.span()
    if parts.get("decade"):
        return Moment(int(parts["decade"]), num_years=10, start=start, end=end)
    if parts.get("century"):
        return _century(parts["century"].lower(), bool(parts["bc"]), match.span())
    year = int(parts.get("year") or parts.get("late") or 0) * (-1 if parts.get("bc") else 1)
    if parts.get("first"):
        return _numeric(int(parts["first"]), int(parts["second"]), parts["mark"], year, match.span())
    month = _month(parts.get("month") or "")
    return _valid(Moment(year, month, int(parts.get("day") or 0), start=start, end=end))


def _century(text: str, is_before_christ: bool, span: tuple[int, int]) -> Moment:
    number = int(re.sub(r"\D", "", text)) if text[0].isdigit() else _ORDINALS.index(text) + 1
    start = -number * 100 if is_before_christ else (number - 1) * 100 or 1
    return Moment(start, num_years=100, start=span[0], end=span[1])


def _numeric(first: int, second: int, mark: str, year: int, span: tuple[int, int]) -> Moment | None:
    """Day first, unless it cannot be; with a stroke either may come first."""
    if second > 12:
        return _valid(Moment(year, first, second, start=span[0], end=span[1]))
    is_swappable = mark != "." and first <= 12 and first != second
    return _valid(Moment(year, second, first, is_swappable=is_swappable, start=span[0], end=span[1]))


def _valid(moment: Moment) -> Moment | None:
    return moment if moment.month <= 12 and moment.day <= 31 else None


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTH_NUMBERS.get(text.lower().rstrip("."), 0)


def _one_to_one(text: str) -> str:
    """Digits of every script as ASCII, so that spans stay what they are."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
