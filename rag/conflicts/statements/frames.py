"""Which frames of sentences take one value: "the mayor of Selby is ..." does, "Selby has ..." does not."""

from __future__ import annotations

import re
from collections.abc import Set

from rag.conflicts.statements.statement import stem_word
from rag.conflicts.values.words import word_list, word_set

_I = re.IGNORECASE
_MANY_VERBS = (
    "visit visits visited like likes liked love loves loved hate hates includes include included contain contains "
    "sell sells "
    "sold offers offer speak speaks spoke play plays played know knows knew meet meets met see sees saw eat eats ate "
    "drink "
    "drinks work works worked teach teaches taught study studies studied travels travelled help helps helped support "
    "supports use uses used need needs want wants grow grows grown serves serve served carries carried mentions "
    "describes "
    "borders star stars starred features featuring passes won wins win"
)
_MANY = re.compile(
    rf"\b(?:(?:has|have|had)(?!\s+been)|{'|'.join(word_list(_MANY_VERBS))}|(?:lies?|is|stands?|are) (?:near|beside)|"
    rf"member|part of|one of|friend|"
    r"neighbou?r|example|among|such as|there (?:is|are|was|were)|some|another|also|calls? at|stops? at|types? of|"
    r"kinds? of)\b",
    _I,
)
_MAKERS = (
    "wrote written writes built builds build painted paints invented invents discovered discovers founded founds "
    "designed "
    "designs composed composes directed directs killed kills won wins runs run ran leads led heads headed owns owned "
    "keeps "
    "kept created creates established opened opens commands signed signs chairs rules governs manages holds"
)
_ONE_MAKER = re.compile(rf"\b(?:{'|'.join(word_list(_MAKERS))})\b", _I)
_ACTIVE_MAKER = re.compile(
    rf"(?<!is )(?<!are )(?<!was )(?<!were )(?<!been )(?<!also )\b(?:{'|'.join(word_list(_MAKERS))})\b(?!\s+(?:by|in|"
    rf"on|at|from)\b)",
    _I,
)
_AGENT = re.compile(rf"\b(?:is|are|was|were|been)\s+(?:{'|'.join(word_list(_MAKERS))})\s+by\b", _I)
_PLACE = re.compile(
    r"^\W*the\s+(?:[\w'-]+\s){1,3}(?:is|are)\s+(?:(?:located|held|situated|open|closed|due)\s+)?(?:in|on|at|from|until)\b",
    _I,
)
_DIRECTED = re.compile(
    r"\b(?:than|beat|beats|defeated|defeats|killed|bought|sold|conquered|invaded|succeeded|preceded|replaced|owns|"
    r"teaches|"
    r"taught|(?:north|south|east|west|capital|part|father|mother|son|daughter|wife|husband|child) of|before|after|"
    r"above|"
    r"below)\b",
    _I,
)
_DEFINITE = re.compile(
    r"\b(?:is|are|was|were|became|becomes|remains|be)\s+(?:now\s+|also\s+|still\s+)?(?:the|its|their|his|her|our)\b|"
    r"\b(?:is|are|was|were|became|becomes)\s+(?:now\s+)?(?:[a-z-]+\s){1,2}of\s+(?:the\s+)?[A-Z]|"
    r"\b(?:is|was|are|were|became)\s+\w+(?:\s\w+)?'s?\s+[a-z]|"
    r"^\W*(?:the|its|our)\s+(?:[\w'-]+\s){1,8}?(?:is|are|was|were|became|becomes|remains|will be)\b|"
    r"^\W*\w+(?:\s\w+){0,3}'s?\s+(?:[a-z-]+\s){1,3}(?:is|are|was|were|became)\b",
    _I,
)
_ROLE_FIRST = re.compile(
    r"^\W*(?:the|its|our)?\s*(?:[\w'-]+\s){1,3}(?:of|in|at|for|to|on)\s.*\b(?:is|are|was|were)\b|"
    r"'s\s+[a-z-]+\s+(?:is|was)\b",
    _I,
)
_INDEFINITE = re.compile(r"\b(?:is|are|was|were|became|becomes|as)\s+(?:also\s+)?(?:a|an|one)\b", _I)
_CHANGES = frozenset(map(stem_word, word_list("became elected appointed named succeeded crowned replaced")))
_PERMANENT = frozenset(
    map(
        stem_word,
        word_list(
            "architect author writer founder builder inventor composer painter designer father mother birthplace "
            "winner "
            "cause discoverer director creator origin"
        ),
    )
)
_IN_TIME = frozenset(
    map(
        stem_word,
        word_list(
            "mayor president king queen chair chairman chairwoman master head director manager owner minister captain "
            "governor secretary treasurer coach champion editor bishop pope keeper leader ceo tenant holder price fare "
            "population capital toll fee rate rent temperature weather clerk pilot warden principal rector prince "
            "emperor"
        ),
    )
)
_ANTONYMS = (
    "open closed", "open shut", "opens closes", "opened closed", "allowed forbidden", "allowed banned",
    "allowed prohibited", "permitted forbidden", "permitted prohibited", "permitted banned", "true false",
    "alive dead", "won lost", "wins loses", "increased decreased", "increases decreases", "rose fell", "rises falls",
    "high low", "higher lower", "highest lowest", "hot cold", "warm cold", "early late", "earlier later", "before "
    "after",
    "inside outside", "left right", "north south", "east west", "northern southern", "eastern western", "male female",
    "public private", "rich poor", "full empty", "present absent", "accepted rejected", "approved rejected",
    "supported opposed", "supports opposes", "succeeded failed", "safe dangerous", "guilty innocent", "larger smaller",
    "largest smallest", "longer shorter", "longest shortest", "older younger", "oldest youngest", "above below",
    "always never", "begins ends", "began ended", "starts ends", "started ended", "arrives departs", "free paid",
    "married single", "wet dry", "deep shallow", "fast slow", "cheap expensive", "heavy light", "strong weak",
    "maximum minimum", "mandatory optional", "required optional", "compulsory voluntary", "old new", "wide narrow",
    "major minor", "positive negative", "temporary permanent", "upper lower", "day night", "summer winter",
    "morning evening", "morning afternoon", "victory defeat", "profit loss", "import export", "increase decrease",
    "attacked defended", "bought sold", "arrived left", "salt fresh", "warmer colder", "hotter colder", "better worse",
    "taller shorter", "bigger smaller", "deeper shallower", "faster slower", "richer poorer", "heavier lighter",
    "stronger weaker", "wider narrower", "nearer farther", "more less", "more fewer", "best worst", "biggest "
    "smallest", "clockwise counterclockwise",
)  # fmt: skip
_OPPOSITES = frozenset(frozenset(pair.split()) for pair in _ANTONYMS)
_PREFIXES = ("un", "in", "im", "il", "ir", "non", "dis")
# Words of one class exclude each other: a tower that is red is not blue.
_CLASSES = tuple(
    map(
        word_set,
        (
            "red blue green yellow white black brown grey gray orange purple pink violet",
            "monday tuesday wednesday thursday friday saturday sunday",
            "spring summer autumn winter fall",
            "wood wooden stone brick iron steel concrete glass copper bronze gold silver marble",
            "north south east west northern southern eastern western northeast northwest southeast southwest",
            "daily weekly monthly yearly annually hourly quarterly",
            "solid liquid gas gaseous",
        ),
    )
)


def takes_many(sentence: str) -> bool:
    """Whether the verb takes several objects ("has", "visited")."""
    return _MANY.search(sentence) is not None


def takes_one_subject(sentence: str) -> bool:
    """Whether the predicate is true of one subject only: "... is the mayor of Selby", "... wrote the report"."""
    if _MANY.search(sentence) and not re.search(r"\b(?:won|wins)\b", sentence, _I):
        return False
    return bool(_ONE_MAKER.search(sentence)) or (bool(_DEFINITE.search(sentence)) and not _INDEFINITE.search(sentence))


def takes_one_object(sentence: str, *, is_word: bool = False, is_named: bool = True) -> bool:
    """Whether the subject has one object in this frame.

    Args:
        sentence: as it is; who writes or builds has several works.
        is_word: the object is a lower-case word, which needs a role before it ("the colour of").
        is_named: the object is a name, so that "is a ..." does not come before it.
    """
    if _MANY.search(sentence) or (is_named and _INDEFINITE.search(sentence)):
        return False
    if _ACTIVE_MAKER.search(sentence):
        return False
    return not is_word or _ROLE_FIRST.search(sentence) is not None or _AGENT.search(sentence) is not None


def compares(sentence: str) -> bool:
    """Whether the sentence states a relation that has a direction: "is older than", "defeated", "lies north of"."""
    return _DIRECTED.search(sentence) is not None


def states_place(sentence: str) -> bool:
    """Whether the sentence says where or when the one thing is: "The meeting is on ..."."""
    return _PLACE.search(sentence) is not None


def are_antonyms(one: str, other: str) -> bool:
    """Opposite words: of the table, or with a prefix that denies ("legal", "illegal")."""
    if frozenset((one, other)) in _OPPOSITES:
        return True
    short, long = sorted((one, other), key=len)
    return len(short) >= 4 and any(long == prefix + short for prefix in _PREFIXES)


def are_rivals(one: str, other: str) -> bool:
    """Words of one class that exclude each other, such as two colours."""
    return one != other and any(one in words and other in words for words in _CLASSES)


def says_change(shared: Set[str]) -> bool:
    """Whether the shared words tell of a change of office ("became"): the date is then no part of the frame."""
    return bool(_CHANGES & shared)


def names_permanent_role(shared: Set[str]) -> bool:
    """Whether the shared words name what never changes, such as an architect."""
    return bool(_PERMANENT & shared)


def names_role_in_time(shared: Set[str]) -> bool:
    """Whether the shared words name an office or a value that has holders one after another."""
    return bool(_IN_TIME & shared) and not names_permanent_role(shared)
