"""What a question asks for: one value or several, for now or for ever, a fact or an opinion."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.conflicts.values.words import split_words

_I = re.IGNORECASE
_POLAR = re.compile(r"^\W*(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|may|must|am)\b", _I)
_LIST = re.compile(
    r"\b(?:list|name|give|enumerate|mention)\s+(?:me\s+)?(?:all|some|any|several|three|two|four|five|a few|the|every|"
    r"examples?|\d+)\b|\bwhich (?:of the following|ones)\b|\bexamples of\b|^\W*(?:what|who|which) (?:are|were)\b|"
    r"\bhave .* in common\b|^\W*who (?:stars?|starred|acts?|acted|plays|played|appears?|appeared) in\b|"
    r"\bsome of the\b",
    _I,
)
# "What are toll roads called?" asks for one name, "What are the two theories?" for one list.
_ONE_THING = re.compile(
    r"\b(?:called|named|known as|termed)\b|\b(?:two|three|four|five|six|seven|\d+)\b(?!\s*[?.]?$)", _I
)
_WHICH = re.compile(
    r"^\W*(?:(?:in|on|at|by|for|to|from|of|with)\s+)?(?:which|what)\s+(?P<nouns>(?:[\w'-]+\s+){1,3}?)"
    r"(?P<verb>are|were|did|do|does|have|has|is|was|can|will)\b",
    _I,
)
_SINGULAR = re.compile(r"\b(?:type|kind|sort|form|group|set|pair|aspect|number|part|piece|name|list) of\b", _I)
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
    r"^\W*when\b(?!\s+(?:do|does|is|are|can|will)\b)|\b(?:born|die|died|founded|built|opened|invented|discovered|wrote|written|painted|composed|directed|"
    r"produced|won|win|happened|happen|began|begin|ended|end|established|created|designed|published|released|signed|"
    r"first|in \d{4})\b",
    _I,
)
_OPINION = re.compile(
    r"^\W*(?:who|what|which|where)\s+(?:\w+\s+){0,2}?(?:is|are|was|were)\s+(?:the\s+|your\s+|my\s+)?"
    r"(?:best|worst|better|worse|nicest|favou?rite|most (?:beautiful|interesting|enjoyable|overrated|underrated))\b"
    r"(?!\s+(?:actor|actress|picture|supporting|director|film award|known|selling|paid))|"
    r"^\W*(?:which|what)\s+\w+\s+(?:is|are)\s+(?:better|worse|best|worst)\b|\bshould (?:i|we|one|people)\b|"
    r"\b(?:do|does|did) (?:you|people|critics|experts|they) (?:think|feel|recommend|prefer)\b|"
    r"\b(?:opinions?|views?) (?:of|on|about)\b|\bis it (?:worth|moral|ethical|right|a good idea)\b|\byour favou?rite\b",
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
    """A list is asked for, or the noun that is asked for stands in the plural."""
    if _ONE_THING.search(question) and not re.search(r"\bexamples?\b|^\W*(?:list|name|give)\b", question, _I):
        return False
    return _LIST.search(question) is not None or _asks_in_plural(question)


def _asks_in_plural(question: str) -> bool:
    """ "Which films did she make?": the noun that is asked for stands in the plural."""
    match = _WHICH.search(question)
    if match is None or _SINGULAR.search(match["nouns"]):
        return False
    noun = match["nouns"].lower().split()[-1]
    return noun.endswith("s") and not noun.endswith(("ss", "us", "is", "'s", "series", "species"))
