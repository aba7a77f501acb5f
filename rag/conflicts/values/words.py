"""Words of a text in one spelling, so that equal words compare equal in every script.

Case, accents, width, punctuation, and British or American spelling do not matter. Vowel signs of scripts that need
them do: they are part of the word.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache


def word_set(words: str) -> frozenset[str]:
    """Words of a table, written with blanks between them."""
    return frozenset(words.split())


def word_list(words: str) -> list[str]:
    """As :func:`word_set`, in order."""
    return words.split()


ARTICLES = word_set("a an the")
NEGATIONS = word_set(
    "not no never none nobody nothing neither nor without cannot non false untrue incorrect wrong nowhere hardly "
    "不 没 非 未 не нет nicht kein keine pas jamais"
)
# They join words, and say nothing alone. Dropped at both ends of an answer.
FUNCTION_WORDS = ARTICLES | word_set(
    "in on at by of from to since it is was were are be been being that this these those for with as into about they "
    "he she his her its their there has have had because so then and or around which who also during until till "
    "i would will can did does do"
)
# Combining marks that only colour a letter: Latin, Greek and Cyrillic accents, Hebrew points, Arabic vowels.
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0640\u064b-\u0652]")
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "\u0131": "i", "þ": "th", "ð": "d", "\u2019": "'", "`": "'"}
)
_SPELLINGS = (
    (re.compile(r"(?<=[a-z]{2})our(?=[a-z]*$)"), "or"),
    (re.compile(r"is(?=(?:e|ed|es|ing|ation|ations|er)$)"), "iz"),
    (re.compile(r"ys(?=(?:e|ed|es|ing)$)"), "yz"),
    (re.compile(r"(?<=[a-z]{2}[a-z])tre$"), "ter"),
    (re.compile(r"(?<=[a-z]{3})ence$"), "ense"),
    (re.compile(r"(?<=[a-z]{3})ll(?=(?:ed|ing|er)$)"), "l"),
)
_SHORT_FORMS = {
    "st": "saint", "mt": "mount", "ft": "fort", "jr": "junior", "sr": "senior", "dept": "department", "grey": "gray",
    "univ": "university", "govt": "government", "intl": "international", "programme": "program", "metre": "meter",
}  # fmt: skip
_CONTRACTION = re.compile(r"\b(ca|wo|is|are|was|were|do|does|did|has|have|had|could|would|should|must)n't\b")
_STEMS = {"ca": "can", "wo": "will"}
_INITIAL = re.compile(r"\b([A-Z])\.(?=\s*[A-Z])")
_MARK, _BREAK = "\ue000", "\ue001"  # private characters for the dot of an initial and for a sign between words
_PARTING = ",;:()[]\u3001\uff0c\u2013\u2014"
_POSSESSIVE = re.compile(r"'s\b|(?<=s)'(?=\s)")


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes:
        text: as written.
        key: for comparing.
        is_capital: it begins with a capital letter.
        is_owner: it stands in the possessive ("Bell's").
        is_initial: a letter with a dot, which stands for a name ("A. Bell").
        is_apart: a comma, a colon or a bracket stands before it.
    """

    text: str
    key: str
    is_capital: bool
    is_owner: bool = False
    is_initial: bool = False
    is_apart: bool = False

    @property
    def is_article(self) -> bool:
        """An article, and no initial."""
        return self.key in ARTICLES and not self.is_initial


def plain(text: str) -> str:
    """Text in lower case, without accents, in one width; punctuation stays."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", folded)).translate(_LETTERS)


@lru_cache(maxsize=20_000)
def spell(word: str) -> str:
    """The key of one word in plain spelling."""
    if word in _SHORT_FORMS:
        return _SHORT_FORMS[word]
    if len(word) > 5:
        for pattern, ending in _SPELLINGS:
            word = pattern.sub(ending, word)
    return word


def split_words(text: str) -> tuple[Word, ...]:
    """The words of a text, in its order. Dots inside abbreviations go: "U.S.A." is one word."""
    text = unicodedata.normalize("NFKC", text).translate(_LETTERS)
    text = re.sub(r"\b((?:[A-Z]\.){2,})(?=\W|$)(?!\s+[A-Z][a-z])", lambda match: match[0].replace(".", ""), text)
    text = _CONTRACTION.sub(lambda match: f"{_STEMS.get(match[1], match[1])} not", text.replace("can't", "can not"))
    text = re.sub(r"(?<=\w)&(?=\w)", "", text).replace("&", " and ")
    words = []
    text = _INITIAL.sub(lambda match: match[1] + _MARK, text)
    is_apart = False
    for raw in "".join(map(_simplify, text)).split():
        if raw == _BREAK:
            is_apart = True
            continue
        whole = raw.rstrip(_MARK)
        bare = _POSSESSIVE.sub("", whole + " ").strip().replace("'", "").replace(_MARK, "")
        if bare:
            is_owner, is_initial = bare != whole.replace("'", ""), raw.endswith(_MARK)
            words.append(Word(bare, spell(plain(bare)), bare[0].isupper(), is_owner, is_initial, is_apart))
            is_apart = False
    return tuple(words)


def has_negation(words: tuple[Word, ...]) -> bool:
    """Whether an odd number of words deny."""
    return sum(word.key in NEGATIONS for word in words) % 2 == 1


def singular(word: Word) -> str:
    """The key without a plural's ending; a name keeps its own."""
    key = word.key
    if word.is_capital or len(key) < 4 or not key.endswith("s") or key.endswith(("ss", "us", "is")):
        return key
    if key.endswith("ies") and len(key) > 4:
        return key[:-3] + "y"
    return key[:-2] if key.endswith(("shes", "ches", "xes", "sses")) else key[:-1]


def is_unspaced(text: str) -> bool:
    """Whether a text is in a script that puts no blanks between words (Chinese, Japanese, Thai)."""
    return any("\u3040" <= c <= "\u30ff" or "\u3400" <= c <= "\u9fff" or "\u0e00" <= c <= "\u0eff" for c in text)


def _simplify(char: str) -> str:
    """Letters, digits and marks stay; signs that part words become one sign, other signs blanks."""
    if char in ("'", _MARK) or unicodedata.category(char)[0] in "LMN":
        return char
    return f" {_BREAK} " if char in _PARTING else " "
