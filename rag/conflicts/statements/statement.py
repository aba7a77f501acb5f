"""One sentence as a statement: its words and values, its verb, and whether it is asserted at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kg.stems import stem
from rag.conflicts.statements.assertion import (
    find_denial,
    find_modals,
    is_about_it,
    is_asserted,
    is_past_state,
    is_whole,
)
from rag.conflicts.values.clocks import Clock, find_clocks
from rag.conflicts.values.moments import Moment, find_moments
from rag.conflicts.values.quantities import Quantity, find_quantities
from rag.conflicts.values.words import FUNCTION_WORDS, NEGATIONS, split_words, word_set

Value = Moment | Clock | Quantity

_I = re.IGNORECASE
_LABEL = re.compile(r"^(?:[A-Z][\w'-]*\s){0,4}(?:of\s)?(?:\d{1,2}\s)?(?:[A-Z]\w+\s)?\d{4}\s*[:.]\s+")
_LEAD_IN = re.compile(
    r"^(?:according to [^,]{1,60},|(?:the|a|an|this|our)?\s*(?:[\w'-]+\s){1,5}(?:records?|shows?|states?|notes?|"
    r"reports?|"
    r"confirms?|proves?|explains?|adds?|recorded|showed|stated|noted|reported|confirmed|proved|explained)\sthat\s|"
    r"as (?:we|everybody|everyone|many) knows?,|in fact,|today,|now,|note that|"
    r"(?:however|moreover|also|indeed|furthermore|therefore|thus|in addition),?)\s*",
    _I,
)
_IRREGULAR = {
    "built": "build", "wrote": "write", "written": "write", "won": "win", "ran": "run", "led": "lead", "began": "begin",
    "begun": "begin", "made": "mak", "sold": "sell", "held": "hold", "kept": "keep", "became": "becom", "paid": "pay",
    "gave": "giv", "given": "giv", "took": "tak", "taken": "tak", "left": "leav", "leaves": "leav", "lost": "los",
    "died": "die", "dies": "die", "dead": "die", "bought": "buy", "brought": "bring", "taught": "teach", "sang": "sing",
    "sung": "sing", "drew": "draw", "drawn": "draw", "grew": "grow", "grown": "grow", "found": "find", "spoke": "speak",
    "spoken": "speak", "chose": "choos", "chosen": "choos", "beat": "beat", "beaten": "beat", "met": "meet",
    "people": "person", "men": "man", "women": "woman", "children": "child", "feet": "foot", "stood": "stand",
    "stands": "stand", "sank": "sink", "sunk": "sink", "fell": "fall", "fallen": "fall", "rose": "ris", "risen": "ris",
    "went": "go", "came": "com", "got": "get", "sat": "sit", "broke": "break", "broken": "break", "stole": "steal",
    "spent": "spend", "thought": "think", "heard": "hear", "knew": "know", "flew": "fly", "fought": "fight",
    "lay": "li", "lies": "li", "lie": "li", "cost": "cost", "costs": "cost",
}  # fmt: skip
# Words for one thing, by stem.
_SYNONYMS = {
    "auth": "write", "writ": "write", "author": "write",
    "start": "begin", "commenc": "begin", "finish": "end", "conclud": "end", "construct": "build", "erect": "build",
    "purchas": "buy", "acquir": "buy", "movi": "film", "larg": "big", "huge": "big", "tiny": "small", "littl": "small",
    "establish": "found", "depart": "leav", "resid": "liv", "inhabit": "liv", "permit": "allow", "prohibit": "forbid",
    "ban": "forbid", "forbidden": "forbid", "car": "automobil", "physician": "doctor", "lawyer": "attorney",
    "vessel": "ship", "autumn": "fall", "quick": "fast", "rapid": "fast", "approximat": "about", "assist": "help",
    "obtain": "get", "receiv": "get", "select": "choos", "manufactur": "mak", "produc": "mak", "situat": "locat",
    "via": "through", "inadvertent": "accidental", "wealth": "rich", "whole": "entir", "requir": "need",
}  # fmt: skip
_AGENT = re.compile(r"(?<=\w{4})(?:er|or|ment|ation|ion)$")
_AUXILIARIES = word_set(
    "is are was were be been has have had does do did became become becomes remains remained will may can could would "
    "should must might isn aren wasn weren"
)
_VERB = re.compile(r"^\w{2,}(?:ed|es|s)$")
_IRRELEVANT = FUNCTION_WORDS | word_set(
    "s t also just only very now today currently still there here but however while when where such some any more most "
    "very than new current present according says said note sees see per cent"
)


@dataclass(frozen=True)
class Token:
    """A word or a value of a statement.

    Attributes:
        text: as written.
        key: in one spelling; empty for a value.
        stem: for comparing words; empty for a value.
        value: the number, date or time; ``None`` for a word.
        is_name: capitalised, and not only because it opens the sentence.
        is_content: it carries meaning.
        is_apart: a comma, a colon or a bracket stands before it.
        place: its number in the sentence.
    """

    text: str
    key: str
    stem: str
    value: Value | None
    is_name: bool
    is_content: bool
    is_apart: bool
    place: int


@dataclass(frozen=True)
class Statement:
    """A sentence as a statement.

    Attributes:
        text: the sentence without what stands before the claim.
        tokens: all its words and values, in order.
        is_asserted: the author says so.
        is_question: it asks.
        is_whole: it ends as a sentence does; a heading does not.
        is_about_it: its subject is a pronoun, so that only its text says what it is about.
        is_negated: it is denied.
        modals: may, will, would and the like; empty in a plain statement.
        is_past_state: a state that was, and need not be any more.
        verb: place of the first verb; -1 without one.
    """

    text: str
    tokens: tuple[Token, ...]
    is_asserted: bool
    is_question: bool
    is_whole: bool
    is_about_it: bool
    is_negated: bool
    modals: tuple[str, ...]
    is_past_state: bool
    verb: int

    @property
    def names_subject(self) -> bool:
        """A name stands before its verb: it is not only "the film", of which there are many."""
        before = [token for token in self.tokens if token.place < self.verb]
        opens = bool(before) and before[0].text[:1].isupper() and before[0].is_content
        return opens or any(token.is_name for token in before)

    @property
    def content(self) -> tuple[Token, ...]:
        """The tokens that carry meaning."""
        return tuple(token for token in self.tokens if token.is_content)


@lru_cache(maxsize=20_000)
def read_statement(sentence: str) -> Statement:
    """One sentence as a statement."""
    text = _LEAD_IN.sub("", _LABEL.sub("", sentence.strip()))
    denied = find_denial(text)
    text = text[denied:]
    tokens = tuple(_tokens(text))
    num_negations = sum(token.key in NEGATIONS and not token.is_name for token in tokens) + (denied > 0)
    return Statement(
        text=text,
        tokens=tokens,
        is_asserted=is_asserted(text),
        is_question=text.rstrip().endswith("?"),
        is_whole=is_whole(text),
        is_about_it=is_about_it(text),
        is_negated=num_negations % 2 == 1,
        modals=find_modals(text),
        is_past_state=is_past_state(text),
        verb=_find_verb(tokens),
    )


def stem_word(key: str) -> str:
    """A word's stem: no inflection, and no ending that makes a noun of a verb ("keeper", "keeps")."""
    bare = _IRREGULAR.get(key) or _AGENT.sub("", stem(key))
    return _SYNONYMS.get(bare, bare)


def _tokens(text: str) -> Iterator[Token]:
    """Values and words in the order of the text."""
    place = last = 0
    for value in _values(text):
        for word in _words(text[last : value.start], place, is_start=last == 0):
            yield word
            place = word.place + 1
        yield Token(text[value.start : value.end].strip(), "", "", value, False, True, False, place)
        place, last = place + 1, value.end
    yield from _words(text[last:], place, is_start=last == 0)


def _values(text: str) -> list[Value]:
    moments = find_moments(text)
    clocks = tuple(clock for clock in find_clocks(text) if not _touches(clock, moments))
    quantities = tuple(part for part in find_quantities(text) if not _touches(part, (*moments, *clocks)))
    values: list[Value] = [*moments, *clocks, *quantities]
    return sorted(values, key=lambda value: value.start)


def _words(text: str, place: int, *, is_start: bool) -> Iterator[Token]:
    words = split_words(text)
    for i, word in enumerate(words):
        is_first = is_start and i == 0
        next_is_name = i + 1 < len(words) and words[i + 1].is_capital and word.key not in _IRRELEVANT
        is_name = word.is_initial or (word.is_capital and (not is_first or next_is_name))
        is_content = (is_name and not word.is_article) or (word.key not in _IRRELEVANT and word.key not in NEGATIONS)
        yield Token(word.text, word.key, stem_word(word.key), None, is_name, is_content, word.is_apart, place + i)


def _find_verb(tokens: Sequence[Token]) -> int:
    """Place of the first verb: an auxiliary, else a word with a verb's ending."""
    for token in tokens:
        if token.key in _AUXILIARIES:
            return token.place
    for token in tokens[1:]:
        if not token.is_name and token.value is None and (_VERB.match(token.key) or token.key in _IRREGULAR):
            return token.place
    return -1


def _touches(part: Clock | Quantity, others: tuple[Moment | Clock, ...]) -> bool:
    return any(part.start < other.end and other.start < part.end for other in others)
