"""When a document was written, and for when a sentence speaks. Never the time at which a file was added or changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date as Day
from pathlib import PurePath

from rag.conflicts.values.moments import Moment, find_moments

# A date line stands near the top: within this many lines with text, each at most this long (characters).
_HEAD_LINES = 6
_LINE_LENGTH = 120
_FIELD = re.compile(
    r"^\W*(?:date|dated|published|publication date|issued|updated|last updated|last modified|created|posted|as of|"
    r"stand|datum|fecha|日期|发布日期)\s*[:=\uff1a]?\s*(?P<value>.*\d.*)$",
    re.IGNORECASE,
)
_TITLE_DATE = re.compile(
    r"^\W*(?:[\w'-]+\s+){0,4}?(?:notice|leaflet|report|minutes|memo|letter|bulletin|circular|edition|issue|version|"
    r"newsletter|announcement|press release|price list|timetable|survey|census|statement|handbook|guide|catalogue|"
    r"agenda|programme|plan|policy|review|record|log|register|update|news)\b[^.:]{0,40}",
    re.IGNORECASE,
)
_FILE_DATE = re.compile(
    r"(?<!\d)(?P<year>19\d\d|20\d\d)(?:[-_. ]?(?P<month>0[1-9]|1[0-2])(?:[-_. ]?(?P<day>[0-3]\d))?)?(?!\d)"
)
_END = re.compile(r"\b(?:until|till|up to|ended in|ending in|before)\s+(?:the\s+)?(?:end\s+of\s+)?$", re.IGNORECASE)
_START = re.compile(r"\b(?:since|from|as of|as from|starting|beginning|effective|after)\s+(?:the\s+)?$", re.IGNORECASE)
_PAST = re.compile(
    r"\b(?:was|were|had been|used to|formerly|former|previously|once|no longer|ex-|then)\b|"
    r"曾|原来|以前|\b(?:war|waren|etait|était|fue|era)\b",
    re.IGNORECASE,
)
_OVER = re.compile(r"\b(?:had been|used to|formerly|former|previously|no longer|until|till)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Validity:
    """For when a sentence says that something holds.

    Attributes:
        start, end: ISO 8601, as far as stated; empty where not.
        is_past: the sentence speaks of the past, and does not say that it still holds.
    """

    start: str = ""
    end: str = ""
    is_past: bool = False

    @property
    def date(self) -> str:
        """The latest date that the sentence gives for its statement; empty without one."""
        return self.end or self.start


def document_date(stated: str = "", source: str = "", head: str = "") -> str:
    """The date of a document, ISO 8601 as far as known; empty where it states none.

    Args:
        stated: from metadata or front matter; wins where it is a date.
        source: path or address; only its last part is read ("notice-2019.txt").
        head: the first lines of the document's text.
    """
    return read_date(stated) or _date_in_head(head) or _date_in_name(source)


def read_date(text: str) -> str:
    """A date that stands alone in a field, ISO 8601; empty where there is none."""
    moments = find_moments(text.strip().split("T")[0]) if text else ()
    return next((moment.iso() for moment in moments if moment.iso()), "")


def read_validity(sentence: str, target: str = "") -> Validity:
    """For when a sentence speaks: "until 2019", "since May 2021", "In 2020, ...", "was".

    Args:
        sentence: the sentence that an answer stands in.
        target: the answer; a date that is the answer itself is not the time of the statement.
    """
    answers = {moment.iso() for moment in find_moments(target)}
    start = end = ""
    for moment in find_moments(sentence):
        iso = moment.iso()
        if not iso or iso in answers:
            continue
        before = sentence[: moment.start]
        if _END.search(before) or _is_range_end(before):
            end = max(end, iso)
        elif _START.search(before) or not start:
            start = start or iso
    return Validity(start, end, bool(end) or _PAST.search(sentence) is not None)


def statement_date(sentence: str, document: str = "", target: str = "") -> str:
    """The date of what a sentence says: its own, else its document's; ISO 8601, empty where neither is known.

    A statement about what is over is older than its document by an unknown time, so that it has no date but one of its
    own.
    """
    validity = read_validity(sentence, target)
    return validity.date or ("" if _OVER.search(sentence) else document)


def is_newer(one: str, other: str) -> bool:
    """Whether a date is later than another one, as far as both are known: in doubt it is not."""
    length = min(len(one), len(other))
    return length >= len("2019") and one[:length] > other[:length]


def _is_range_end(before: str) -> bool:
    return re.search(r"\d{4}\s*(?:[-\u2013\u2014]|to|until)\s*$", before) is not None


def _date_in_head(head: str) -> str:
    """A date line, a date alone on a line, or a title that names a date, among the first lines."""
    lines = [line.strip() for line in head[:2000].splitlines() if line.strip()][:_HEAD_LINES]
    for line in lines:
        field = _FIELD.match(line[:_LINE_LENGTH])
        if field and read_date(field["value"]):
            return read_date(field["value"])
    for line in lines:
        first = re.split(r"(?<=[a-z\d])[.:](?=\s|$)", line[:_LINE_LENGTH])[0]
        for moment in find_moments(first):
            if moment.iso() and (_is_alone(first, moment) or _follows_title(first, moment)):
                return moment.iso()
    return ""


def _is_alone(line: str, moment: Moment) -> bool:
    """A line of a date and hardly anything else: a place, a weekday."""
    rest = re.findall(r"\w+", line[: moment.start] + " " + line[moment.end :])
    return (len(rest) <= 2 and moment.num_fields > 1) or not rest


def _follows_title(line: str, moment: Moment) -> bool:
    """ "Notice of 3 May 2019", "Leaflet 2018": a kind of document, and its date."""
    title = _TITLE_DATE.match(line)
    return title is not None and moment.start <= title.end() and moment.year <= Day.today().year + 1


def _date_in_name(source: str) -> str:
    """A year, a month or a day in a file's name."""
    name = PurePath(source.split("?")[0].split("#")[0].rstrip("/")).name
    dates = []
    for match in _FILE_DATE.finditer(name):
        parts = [match["year"], match["month"], match["day"]]
        if match["day"] and not 1 <= int(match["day"]) <= 31:
            parts = parts[:2]
        dates.append("-".join(part for part in parts if part))
    return max(dates, default="", key=len)
