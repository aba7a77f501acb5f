"""Times of day in running text: "9 a.m.", "21:00", "noon"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.conflicts.values.numbers import find_numbers
from rag.conflicts.values.sameness import Sameness

_CLOCK = re.compile(
    r"\b(?P<hour>\d{1,2})(?:[:.h](?P<minute>[0-5]\d))?\s*(?P<half>a\.?m\b\.?|p\.?m\b\.?)|\b(?P<hour24>[01]?\d|2[0-3]):"
    r"(?P<minute24>[0-5]\d)(?::[0-5]\d)?(?!\d)|\b(?P<noon>noon|midday)\b|\b(?P<midnight>midnight)\b|"
    r"\b(?P<oclock>\w+)\s+o'?clock(?:\s+in\s+the\s+(?P<part>morning|afternoon|evening))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Clock:
    """A time of day in minutes; ``is_vague`` where morning and evening are both possible."""

    minutes: int
    is_vague: bool
    start: int
    end: int


def find_clocks(text: str) -> tuple[Clock, ...]:
    """Every time of day of a text, in its order."""
    clocks = (_read(match) for match in _CLOCK.finditer(text))
    return tuple(clock for clock in clocks if clock is not None)


def compare_clocks(one: Clock, other: Clock) -> Sameness:
    """A vague time fits both halves of the day."""
    if one.minutes == other.minutes:
        return "equal" if one.is_vague == other.is_vague else "fuller"
    is_half_off = one.minutes % 720 == other.minutes % 720
    return "fuller" if is_half_off and (one.is_vague or other.is_vague) else "different"


def _read(match: re.Match[str]) -> Clock | None:
    part = match.groupdict()
    if part["noon"] or part["midnight"]:
        return Clock(720 if part["noon"] else 0, False, *match.span())
    if part["hour24"]:
        return Clock(int(part["hour24"]) * 60 + int(part["minute24"]), False, *match.span())
    if part["hour"]:
        is_late = part["half"].lower().startswith("p")
        hour = int(part["hour"]) % 12 + 12 * is_late
        return Clock(hour * 60 + int(part["minute"] or 0), False, *match.span())
    number = next(find_numbers(part["oclock"]), None)
    if number is None or not 0 <= number.value <= 24:
        return None
    is_late = part["part"] in ("afternoon", "evening")
    hour = int(number.value) % 12 + 12 * is_late if part["part"] else int(number.value)
    return Clock(hour * 60, part["part"] is None and hour <= 12, *match.span())
