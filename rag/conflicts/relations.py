"""What a question asks for: one value or several, for now or for ever, a fact or an opinion."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.conflicts.words import split_words

_I = re.IGNORECASE
_POLAR = re.compile(r"^\W*(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|may|must|am)\b", _I)
_LIST = re.compile(
    r"\b(?:list|name|give|enumerate|mention)\s+(?:me\s+)?(?:all|some|any|several|three|two|four|five|a few|the|every|"
    r"examples?|\d+)\b|\bwhat are (?:the|some)\b|\bwhich (?:of the following|ones)\b|\bexamples? of\b|\bkinds? of\b|"
    r"\btypes of\b|\bwho are\b|\bwho were\b|\bwho all\b|\bhave .* in common\b",
    _I,
)
_WHICH = re.compile(
    r"\b(?:which|what)\s+(?P<nouns>(?:[\w'-]+\s+){0,3}?)(?P<verb>are|were|did|do|does|have|has|is|was|can|will)\b", _I
)
# Nouns that name several things of one subject, however the question is put.
_MANY = re.compile(
    r"\b(?:authors|writers|children|sons|daughters|members|siblings|brothers|sisters|directors|producers|actors|stars|"
    r"films|movies|books|novels|songs|albums|languages|sports|genres|awards|works|occupations|professions|hobbies|"
    r"features|symptoms|causes|reasons|advantages|benefits|ingredients|parts|colours|colors|countries|cities|"
    r"partners|neighbours|neighbors|spouses|parents|teams|clubs|names|rules|duties|services|products|causes|effects)\b",
    _I,
)
# Relations of which one subject has one value by their meaning.
_ONE = re.compile(
    r"^\W*(?:when|how (?:much|many|long|old|tall|high|far|big|large|deep|often|fast|wide|heavy)|what time|"
    r"(?:in |on |at |by |for |to |from )?(?:what|which) (?:year|date|day|month|century|decade|time|age|city|country|"
    r"state|place|price|number|percentage|amount|capital|party)\b|where (?:was|is|did) .* (?:born|die|buried|located|"
    r"headquartered|held))|\b(?:capital|population|price|fare|cost|fee|height|length|area|date|deadline|limit|"
    r"largest|smallest|tallest|highest|longest|oldest|youngest|first|last|only|mayor|president|king|queen|chairman|"
    r"chair|director of the|head of|master|keeper|owner|manager|ceo|minister|governor|captain|secretary|treasurer|"
    r"colour|color|birthplace|middle name|real name|full name|born|die|died|founded|opened|built|established)\b",
    _I,
)
_CHANGES = re.compile(
    r"\b(?:now|current|currently|today|present|latest|still|this year|price|fare|cost|fee|rate|salary|wage|population|"
    r"mayor|president|king|queen|chairman|chair|director of|head of|heads|leads|runs|master|keeper|keeps|owner|owns|"
    r"manager|manages|ceo|minister|governor|captain|coach|secretary|treasurer|champion|record|holder|holds|open|opens|"
    r"opening hours|close|closes|address|phone|number of|how many|how much|limit|deadline|rule|policy|version|"
    r"timetable|leave|leaves|depart|departs|live|lives|work|works|in charge|responsible|signs|employs|stands|serves|"
    r"allowed|required|must|should)\b",
    _I,
)
_PAST_EVENT = re.compile(
    r"^\W*when\b|\b(?:born|die|died|founded|built|opened|invented|discovered|wrote|written|painted|composed|directed|"
    r"produced|won|win|happened|happen|began|begin|ended|end|established|created|designed|published|released|signed|"
    r"first|in \d{4})\b",
    _I,
)
_OPINION = re.compile(
    r"\b(?:best|worst|better|worse|favou?rite|should (?:i|we|one|people)|opinion|think|feel about|recommend|worth|"
    r"beautiful|overrated|underrated|prefer|good idea|moral|ethical|right to|greatest|most (?:beautiful|important|"
    r"influential|interesting|enjoyable))\b",
    _I,
)


@dataclass(frozen=True)
class Asked:
    """What a question asks for.

    Attributes:
        is_empty: it asks nothing: no word stands in it.
        takes_many: several different answers can be right together.
        can_change: the right answer depends on the time.
        is_opinion: people may answer differently, and none is wrong.
        is_polar: it asks for yes or no.
    """

    is_empty: bool = False
    takes_many: bool = False
    can_change: bool = False
    is_opinion: bool = False
    is_polar: bool = False


def read_question(question: str) -> Asked:
    """What a question asks for, by its words. In doubt it takes one value, which does not change."""
    if not split_words(question):
        return Asked(is_empty=True)
    is_polar = _POLAR.search(question) is not None and not re.search(r"\bor\b", question, _I)
    is_past = _PAST_EVENT.search(question) is not None and not re.search(r"\b(?:now|current|currently)\b", question, _I)
    return Asked(
        takes_many=not is_polar and _takes_many(question),
        can_change=not is_past and _CHANGES.search(question) is not None,
        is_opinion=_OPINION.search(question) is not None,
        is_polar=is_polar,
    )


def _takes_many(question: str) -> bool:
    if _LIST.search(question) or _asks_in_plural(question):
        return True
    if _ONE.search(question):
        return False
    return (
        _MANY.search(question) is not None and re.match(r"^\W*(?:who|what|which|name|list)\b", question, _I) is not None
    )


def _asks_in_plural(question: str) -> bool:
    """ "Which films did she make?": the noun that is asked for stands in the plural."""
    match = _WHICH.search(question)
    if match is None:
        return False
    nouns = match["nouns"].lower().split()
    if not nouns:
        return match["verb"].lower() in ("are", "were") and match["nouns"] == ""
    return nouns[-1].endswith("s") and not nouns[-1].endswith(("ss", "us", "is", "'s", "series", "species"))
