"""One sentence as a statement: whether it is asserted at all, for when, and what stands in it.

A claim that is denied, asked, quoted, doubted, wished or tied to a condition is none of its author's: it contradicts
nobody, whatever its words say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kg.stems import stem
from rag.conflicts.clocks import Clock, find_clocks
from rag.conflicts.moments import Moment, find_moments
from rag.conflicts.quantities import Quantity, find_quantities
from rag.conflicts.words import FUNCTION_WORDS, NEGATIONS, split_words, word_set

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
_DENIED = re.compile(
    r"^it (?:is|was)(?:n't| not| un)?\s?(?:true|the case|correct|so|false|wrong|untrue|a myth|a mistake|incorrect|"
    r"right)"
    r"(?: to say)?\s+that\s+",
    _I,
)
_REPORTING = (
    "believe believes believed claim claims claimed say says said think thinks thought allege alleges alleged assume "
    "assumes assumed suppose supposes supposed doubt doubts doubted deny denies denied hope hopes hoped wish wishes "
    "wished "
    "fear fears feared guess guesses guessed suspect suspects suspected imagine imagines imagined pretend pretends "
    "pretended dream dreams dreamt ask asks asked wonder wonders wondered suggest suggests suggested propose proposes "
    "proposed lie lies lied joke jokes joked insist insists insisted argue argues argued boast boasts boasted demand "
    "demands demanded predict predicts predicted expect expects expected"
)
_MENTAL = (
    "believes? believed thinks? thought supposes? supposed guess(?:es|ed)? hopes? hoped doubts? doubted suspects? "
    "claims? "
    "claimed"
)
_DOUBTED = (
    "said believed thought rumoured rumored alleged supposed claimed expected planned proposed likely unlikely going"
)
_SAY = "said|says|say|wrote|writes|shouted|asked|claimed|claims|replied|cried|reads?"
_NOT_ASSERTED = tuple(
    re.compile(pattern, _I)
    for pattern in (
        r"\?\W*$",
        r"^\W*(?:whether|suppose|supposing|assume|assuming|imagine|should|had|were)\b",
        r"\b(?:if|unless|provided that|as long as|in case|on condition that|otherwise)\b(?! (?:any|necessary|"
        r"possible)\b)",
        rf"\b\w+\s+(?:\w+ly\s+|once\s+|still\s+|often\s+)?(?:{'|'.join(_REPORTING.split())})"
        r"(?:\s+(?:that|if|whether)\b|\s*[,:]|\s+(?-i:[A-Z]))",
        rf"\b(?:{'|'.join(_MENTAL.split())})\s+(?:the|a|an|his|her|its|our|their)\b",
        r"\b(?:claim|pretend|seem|appear)(?:s|ed)?\s+to\s+(?:be|have)\b",
        rf"\b(?:is|was|were|are)\s+(?:\w+\s+)?(?:{'|'.join(_DOUBTED.split())})\s+to\b",
        rf"\bit (?:is|was)\s+(?:\w+\s+)?(?:{'|'.join(_DOUBTED.split())}|possible|unclear|doubtful|disputed)\b",
        r"\b(?:allegedly|supposedly|reportedly|probably|possibly|apparently|perhaps|maybe|has it that)\b",
        r"\b(?:myth|legend|rumou?r|claim|idea|belief|story|sign|headline|hoax)s? (?:that|says|said|reads|claims)\b",
        rf"[\"\u201c\u00ab][^\"\u201d\u00bb]{{12,}}[\"\u201d\u00bb][,.]?\s*(?:\w+\s){{0,3}}(?:{_SAY})\b",
        r"^\W*in (?:the|a|an|his|her|my|one|this) (?:\w+\s)?(?:novel|play|film|movie|story|dream|game|series|legend|"
        r"tale|"
        r"poem|joke|song)\b",
        r"\b(?:wants?|wanted|hopes?|hoped|wish(?:es|ed)?|plans?|planned|tries|tried|failed|refused|agreed|promised|"
        r"intends?|"
        r"intended)\s+to\b|\b(?:almost|nearly)\s+(?:was|became|won|got)\b",
        rf"\b(?:{_SAY})\s*[:,]?\s*[\"\u201c\u00ab]",
    )
)
_END = re.compile("[.!\u3002\uff01;][\"'\u201d\u2019\u00bb)\\]]*\\s*(?:\\[\\w+\\]\\s*)*$")
_PRONOUN = re.compile(r"^\W*(?:he|she|it|they|we|i|you|this|that|these|those|his|her|its|their|our|my|there)\b", _I)
_MODAL = re.compile(r"\b(?:may|might|could|would|should|will|shall|ought to|must)\b")
_WAS = re.compile(r"\b(?:was|were|had|used to|served as)\b", _I)
_PARTICIPLE = re.compile(
    r"\b(?:was|were|been|being|is|are)\s+(?:\w+ly\s+|first\s+|also\s+|later\s+|not\s+)?(?:\w+(?:ed|en)|built|born|made|"
    r"held|sold|won|led|set|cut|put|found|kept|run|lost|sent|paid|told|begun|sung|bought|brought|taught|caught|read|"
    r"known|shown|grown|drawn|worn|torn)\b",
    _I,
)
_FORMER = re.compile(
    r"\b(?:former|formerly|previously|used to|once|no longer|until|till|ex-\w+|at that time|then)\b", _I
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
    denied = _DENIED.match(text)
    if denied:
        text = text[denied.end() :]
    tokens = tuple(_tokens(text))
    num_negations = sum(token.key in NEGATIONS and not token.is_name for token in tokens) + (denied is not None)
    return Statement(
        text=text,
        tokens=tokens,
        is_asserted=not any(pattern.search(text) for pattern in _NOT_ASSERTED),
        is_question=text.rstrip().endswith("?"),
        is_whole=_END.search(text) is not None,
        is_about_it=_PRONOUN.match(text) is not None,
        is_negated=num_negations % 2 == 1,
        modals=tuple(sorted(match[0] for match in _MODAL.finditer(text))),
        is_past_state=_is_past_state(text),
        verb=_find_verb(tokens),
    )


def stem_word(key: str) -> str:
    """A word's stem: no inflection, and no ending that makes a noun of a verb ("keeper", "keeps")."""
    bare = _IRREGULAR.get(key) or _AGENT.sub("", stem(key))
    return _SYNONYMS.get(bare, bare)


def _is_past_state(text: str) -> bool:
    if _FORMER.search(text):
        return True
    return _WAS.search(text) is not None and not _PARTICIPLE.search(text)


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
