"""Whether a sentence asserts what it says, and for when.

A claim that is denied, asked, quoted, doubted, wished or tied to a condition is none of its author's: it contradicts
nobody, whatever its words say.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE
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
        r"\bw(?:rites?|rote|ritten)\s+that\b",
        rf"\b(?:{_SAY})\s*[:,]?\s*[\"\u201c\u00ab]",
    )
)
_END = re.compile("[.!\u3002\uff01;][\"'\u201d\u2019\u00bb)\\]]*\\s*(?:\\[\\w+\\]\\s*)*$")
_PRONOUN = re.compile(r"^\W*(?:he|she|it|they|we|i|you|this|that|these|those|his|her|its|their|our|my)\b", _I)
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


def find_denial(text: str) -> int:
    """Where the claim begins that "it is not true that" denies; 0 without a denial."""
    match = _DENIED.match(text)
    return match.end() if match else 0


def is_asserted(text: str) -> bool:
    """Whether the author of a sentence says so."""
    return not any(pattern.search(text) for pattern in _NOT_ASSERTED)


def is_whole(text: str) -> bool:
    """Whether a sentence ends as sentences do; a heading or a piece does not."""
    return _END.search(text) is not None


def is_about_it(text: str) -> bool:
    """Whether the subject of a sentence is a pronoun."""
    return _PRONOUN.match(text) is not None


def find_modals(text: str) -> tuple[str, ...]:
    """May, will, would and the like, sorted."""
    return tuple(sorted(match[0] for match in _MODAL.finditer(text)))


def is_past_state(text: str) -> bool:
    """Whether a sentence tells of a state that was, and need not be any more; an event stays true."""
    if _FORMER.search(text):
        return True
    return _WAS.search(text) is not None and not _PARTICIPLE.search(text)
