"""Numbers in running text: digits, number words, fractions and ordinals, as exact values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rag.conflicts.values.words import word_list

_UNITS = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = word_list("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {w: 20 + 10 * i for i, w in enumerate(_TENS)}
SCALES = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "bn": 10**9, "mn": 10**6, "mio": 10**6, "lakh": 10**5, "crore": 10**7, "dozen": 12,
}  # fmt: skip
_ORDINALS = {
    word: value
    for value, word in enumerate(
        word_list(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
            "fifteenth sixteenth seventeenth eighteenth nineteenth"
        ),
        start=1,
    )
} | {word[:-1] + "ieth": 20 + 10 * i for i, word in enumerate(_TENS)}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifth": 5, "fifths": 5,
    "tenth": 10, "tenths": 10,
}  # fmt: skip
_CJK = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}
_MEASURE_WORDS = "天日年月周週個个人元円岁歲時时分秒次公米名本位倍克%\uff05"
_CJK_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8}

_SCALE = "|".join(SCALES)
_CARDINAL = "|".join(sorted((*_SMALL, *SCALES), key=len, reverse=True))
_NUMBER = re.compile(
    rf"""
    (?P<sign>(?<![\w)])[-\u2212](?=\d))?
    (?P<digits>\d{{1,3}}(?P<gap>[,\u00a0\u202f' ])\d{{3}}(?:(?P=gap)\d{{3}})*(?:\.\d+)?(?!\d)
      | \d{{1,3}}(?:\.\d{{3}}){{2,}}(?!\d)
      | \d+(?:[.,]\d+)?)
    (?:(?P<ordinal>st|nd|rd|th)\b | [/\u2044](?P<below>\d{{1,3}})(?![\d/]) | \s?(?P<scale>{_SCALE})\b | (?P<kilo>k)\b)?
    | \b(?P<words>(?:an?\s+(?=(?:{_SCALE})\b))?(?:{_CARDINAL})(?:(?:\s+and)?[\s-]+(?:{_CARDINAL}))*)
      (?:[\s-](?P<last>{"|".join(sorted(_ORDINALS, key=len, reverse=True))}))?
      (?:[\s-](?P<parts>{"|".join(_PARTS)}))?\b
    | \b(?:a[\s-]|an[\s-])?(?P<part>half|quarter)\b(?!-)
    | \b(?P<rank>{"|".join(sorted(_ORDINALS, key=len, reverse=True))})\b
    | (?P<cjk>[〇零一二两三四五六七八九十百千万萬億亿]+)
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Number:
    """A number and its place.

    Attributes:
        value: exact.
        is_ordinal: "third", "3rd".
        is_ratio: a part of something ("half", "two thirds").
        is_rounded: given with a scale ("3.5 million").
        start, end: span in the text, end excluded.
    """

    value: Fraction
    is_ordinal: bool
    is_ratio: bool
    is_rounded: bool
    start: int
    end: int


def find_numbers(text: str) -> Iterator[Number]:
    """Every number, in the text's order. "one of" and a single Chinese numeral within a word are no numbers."""
    ascii_text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)
    for match in _NUMBER.finditer(ascii_text):
        number = _read(match, ascii_text)
        if number is not None:
            yield number


def _read(match: re.Match[str], text: str) -> Number | None:
    part, span = match.groupdict(), match.span()
    if part["digits"]:
        return _digits(match)
    if part["words"]:
        if part["words"].lower() == "one" and text[match.end() :].lstrip().startswith("of "):
            return None
        value = Fraction(_cardinal(part["words"].lower()))
        if part["last"]:
            return Number(value + _ORDINALS[part["last"].lower()], True, False, False, *span)
        if part["parts"]:
            return Number(value / _PARTS[part["parts"].lower()], False, True, False, *span)
        return Number(value, False, False, False, *span)
    if part["part"]:
        return Number(Fraction(1, _PARTS[part["part"].lower()]), False, True, False, *span)
    if part["rank"]:
        return Number(Fraction(_ORDINALS[part["rank"].lower()]), True, False, False, *span)
    return _cjk_number(part["cjk"], match.start(), text)


def _digits(match: re.Match[str]) -> Number:
    part, span = match.groupdict(), match.span()
    value = _decimal(part["digits"]) * (-1 if part["sign"] else 1)
    if part["below"] and int(part["below"]):
        return Number(value / int(part["below"]), False, True, False, *span)
    factor = 1000 if part["kilo"] else SCALES.get((part["scale"] or "").lower(), 1)
    return Number(value * factor, bool(part["ordinal"]), False, factor > 1, *span)


def _decimal(text: str) -> Fraction:
    """A comma or a dot before groups of three digits divides thousands; another one begins the decimals."""
    bare = re.sub(r"[\u00a0\u202f' ]", "", text)
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", bare):
        return Fraction(bare.replace(",", ""))
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}", bare):
        return Fraction(bare.replace(".", ""))
    return Fraction(bare.replace(",", "."))


def _cardinal(text: str) -> int:
    total = current = 0
    for word in re.findall(r"[a-z]+", text):
        if word in _SMALL:
            current += _SMALL[word]
        elif word == "hundred" or word == "dozen":
            current = (current or 1) * SCALES[word]
        elif word in SCALES:
            total, current = total + (current or 1) * SCALES[word], 0
    return total + current


def _cjk_number(text: str, start: int, text_around: str) -> Number | None:
    """Chinese numerals at the start of an answer, or before a measure word; others are part of a word or a name."""
    end = start + len(text)
    is_measured = end < len(text_around) and text_around[end] in _MEASURE_WORDS
    if start and not is_measured:
        return None
    total = section = digit = 0
    for char in text:
        scale = _CJK_SCALES.get(char, 0)
        if not scale:
            digit = digit * 10 + _CJK[char]
        elif scale < 10**4:
            section, digit = section + (digit or 1) * scale, 0
        else:
            total, section, digit = total + (section + digit or 1) * scale, 0, 0
    return Number(Fraction(total + section + digit), False, False, False, start, end)
