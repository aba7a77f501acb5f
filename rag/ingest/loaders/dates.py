"""Dates as files state them, to ISO 8601."""

from __future__ import annotations

import re
from datetime import date
from email.utils import parsedate_to_datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def to_iso_date(text: str) -> str:
    """``2023``, ``2023-05`` or ``2023-05-01`` from what a file states; empty where it is no date.

    Days and months in numbers alone are read only where there is one way to read them.
    """
    text = text.strip().strip("\"'")
    if match := re.match(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?![\d-])", text.replace("/", "-")):
        return _check(*match.groups())
    if match := re.match(r"(\d{4})(\d\d)(\d\d)(?:T|$)", text):
        return _check(*match.groups())
    if match := re.match(r"(?:\w+,? )??(\d{1,2})(?:st|nd|rd|th)?\.? ([A-Za-z]{3})[a-z]*\.?,? (\d{4})", text):
        return _check(match[3], _month(match[2]), match[1])
    if match := re.match(r"(?:\w+,? )??([A-Za-z]{3})[a-z]*\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})", text):
        return _check(match[3], _month(match[1]), match[2])
    if match := re.match(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})\b", text):
        return _read_numbers(match[1], match[3], match[4], is_german=match[2] == ".")
    return ""


def from_mail_date(text: str) -> str:
    """The day of a mail's ``Date`` line, as its sender saw it; empty where it is no date."""
    try:
        return parsedate_to_datetime(text).date().isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return to_iso_date(text)


def _month(name: str) -> str:
    return str(_MONTHS.index(name.lower()) + 1) if name.lower() in _MONTHS else "0"


def _read_numbers(first: str, second: str, year: str, is_german: bool) -> str:
    """With points the day comes first; else whichever number cannot be a month is the day."""
    if is_german or int(first) > 12 or first == second:
        return _check(year, second, first)
    return _check(year, first, second) if int(second) > 12 else ""


def _check(year: str, month: str | None = None, day: str | None = None) -> str:
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ""
    return "-".join([f"{int(year):04}", *(f"{int(part):02}" for part in (month, day) if part)])
