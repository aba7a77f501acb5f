"""Names in different forms: initials, titles, middle names, acronyms, well-known abbreviations of countries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.conflicts.values.sameness import Sameness
from rag.conflicts.values.words import Word, word_set

TITLES = word_set(
    "dr mr mrs ms miss mx prof professor doctor sir dame lord lady rev reverend capt captain lt lieutenant col colonel "
    "gen general sgt sergeant maj major hon president king queen prince princess emperor empress pope cardinal "
    "senator governor justice judge chancellor mayor herr frau monsieur madame señor don sheikh"
)
_SUFFIXES = word_set("junior senior 2 3 4 phd md esq mp kc qc")
_JOINING = word_set("of the and for in de la du")
_LEGAL_FORMS = word_set("inc ltd llc plc corp co company corporation limited gmbh ag sa incorporated")
_ABBREVIATIONS = {
    "us": "united states", "usa": "united states", "united states america": "united states",
    "united states of america": "united states", "uk": "united kingdom", "great britain": "united kingdom",
    "britain": "united kingdom", "uae": "united arab emirates", "ussr": "soviet union", "eu": "european union",
    "un": "united nations", "prc": "china", "peoples republic of china": "china", "nyc": "new york city",
    "la": "los angeles", "dc": "washington dc", "gdr": "east germany", "frg": "west germany",
    "russian federation": "russia", "holland": "netherlands", "burma": "myanmar",
}  # fmt: skip


def expand(keys: Sequence[str]) -> tuple[str, ...]:
    """The long form of a well-known abbreviation; other names stay."""
    bare = [key for key in keys if key != "the"]
    joined = " ".join(bare)
    return tuple(_ABBREVIATIONS.get(joined, joined).split())


def compare_persons(one: Sequence[Word], other: Sequence[Word]) -> Sameness:
    """Two names of persons: same surname, and given names that fit ("J. R. R." and "John Ronald Reuel")."""
    a, b = _person(one), _person(other)
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-1]:
        return "different"
    if not _looks_like_a_person(one) or not _looks_like_a_person(other):
        return "different"
    short, long = sorted((a[:-1], b[:-1]), key=len)
    if not _is_same_given_name(short[0], long[0]) or not _fit_in_order(short[1:], long[1:]):
        return "different"
    return "equal" if a == b else "fuller"


def is_acronym(short: Sequence[Word], long: Sequence[Word]) -> bool:
    """Whether one word in capitals is made of the other's first letters ("NBA")."""
    if len(short) != 1 or len(long) < 2:
        return False
    letters = short[0].text
    if not (2 <= len(letters) <= 8 and letters.isalpha() and letters.isupper()):
        return False
    significant = [word for word in long if word.key not in _JOINING]
    if len(letters) == 2 and not all(word.is_capital for word in significant):
        return False
    return letters.lower() in ("".join(w.key[:1] for w in significant), "".join(w.key[:1] for w in long))


def drop_titles(words: Sequence[Word]) -> tuple[Word, ...]:
    """A name without titles before it, and without a company's legal form after it."""
    start, end = 0, len(words)
    while start < end - 1 and words[start].key in TITLES:
        start += 1
    while end > start + 1 and words[end - 1].key in _LEGAL_FORMS:
        end -= 1
    return tuple(words[start:end])


def _person(words: Sequence[Word]) -> list[str]:
    names = list(_split_initials(drop_titles(words)))
    while len(names) > 2 and names[-1] in _SUFFIXES:
        names.pop()
    return names


def _split_initials(words: Sequence[Word]) -> Iterator[str]:
    """ "JRR Tolkien" and "J. R. R. Tolkien" as letters."""
    for word in words:
        is_run = 2 <= len(word.text) <= 3 and word.text.isalpha() and word.text.isupper() and word is not words[-1]
        yield from word.key if is_run else (word.key,)


def _looks_like_a_person(words: Sequence[Word]) -> bool:
    """Two to six words that are all capitalised, or that a text in lower case cannot capitalise."""
    names = drop_titles(words)
    num_capital = sum(word.is_capital for word in names)
    is_surname = re.fullmatch(r"[^\W\d_]+", names[-1].key) is not None and (names[-1].is_capital or not num_capital)
    return 2 <= len(names) <= 6 and is_surname and (num_capital == 0 or num_capital >= len(names) - 2)


def _is_same_given_name(one: str, other: str) -> bool:
    return one == other or (1 in (len(one), len(other)) and one[0] == other[0])


def _fit_in_order(short: Sequence[str], long: Sequence[str]) -> bool:
    """Whether every name of the shorter one stands in the longer one, in its order."""
    rest = iter(long)
    return all(any(_is_same_given_name(name, other) for other in rest) for name in short)
