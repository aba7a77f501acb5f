"""Follow-up questions: replace a reference by the name from the conversation. Rules for English only.

A question that stands alone is not changed. The rules apply in two cases: a pronoun refers to something outside the
question, or the question is a few words that continue another ("And the mayor?", "Why?"). In doubt nothing is changed:
a question without its name is still searched for by its words, one with a wrong name is another question.

Source: ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kg.names import capitalised_names_in
from rag.core.query import Message

# A question this long has enough words to search for.
_MAX_WORDS = 256
_SHORT = 4
_ANSWER_WORDS = 8
_PRONOUN = re.compile(
    r"\b(?P<their>his|its|their)\b|\b(?P<they>he|she|him|her|it|they|them)\b|\b(?P<there>there)\b", re.IGNORECASE
)
_CONTINUES = re.compile(r"^(?:and|but|or|so|what about|how about|also|which one)\b", re.IGNORECASE)
_ASKS = re.compile(r"^(?:(?:since|until|by|from) )?(?:why|when|where|who|how)\b", re.IGNORECASE)
_ASKING_WORDS = 2
# A pronoun behind so many words refers to one of them, more often than not.
_FAR = 8
_AUXILIARY = r"(?:am|is|are|was|were|do|does|did|has|have|had|will|would|can|could|may|might|must|should|shall)(?:n't)?"
_AFTER_AUXILIARY = re.compile(rf"\b{_AUXILIARY}\s+$", re.IGNORECASE)
# A noun phrase: "the price", "most of", "which country"; not "which is", "what did".
_PHRASE = re.compile(
    rf"\b(?:the|an?|these|those|most|some|each|every)\s+\w+|\b(?:what|which|whose)\s+(?!{_AUXILIARY}\b|\w+ed\b)\w+",
    re.IGNORECASE,
)
_EARLIER_CLAUSE = re.compile(r"\b(?:the|an?|these|those|most|some)\s+\w[^,]*,", re.IGNORECASE)
_CONJUNCTION = re.compile(
    r"\b(?:before|after|when|while|as|because|if|since|until|once|that|assuming|although|though)\s+$", re.IGNORECASE
)
_IS_SUBJECT_THERE = re.compile(rf"\s+{_AUXILIARY}\b", re.IGNORECASE)
# "It" and "there" that refer to nothing: weather, time, "is it true that", "how long does it take", "is there a".
_EXPLETIVE_IT = re.compile(
    r"\bit\s+(?:\w+ly\s+)?(?:rain|snow|hail|freez|thunder|storm|pour|drizzl|take|takes|took|cost|seem|appear|matter|"
    r"mean|happen|depend|get|become)\w*\b"
    r"|\b(?:is|was|isn't|wasn't|be|been|make|makes)\s+it\s+(?:(?:not|still|ever|really|very|so|too|always)\s+)?"
    r"(?:true|false|right|wrong|possible|impossible|likely|unlikely|necessary|important|legal|illegal|allowed|safe|"
    r"common|normal|known|said|worth|time|cold|hot|warm|dark|late|early|raining|snowing|that|who|because|the\s+case|"
    r"easy|easier|hard|harder|difficult|better|best)\b"
    r"|\b(?:is|was)\s+it\b(?=.*\b(?:who|that|which)\b)"
    r"|\bwhat\s+(?:time|day|date|year)\s+(?:is|was)\s+it\b"
    r"|\bhow\s+(?:long|much|many|often|far)\b.*\bit\s+takes?\b"
    r"|\bhow\s+far\s+(?:is|was)\s+it\b|\b(?:is|was)\s+it\s+(?:called|to)\b"
    r"|\bit\s+(?:is|was)\s+(?:\w+ly\s+)?(?:assumed|believed|known|said|thought|estimated|claimed|held)\b",
    re.IGNORECASE,
)
_EXISTENTIAL_THERE = re.compile(
    r"\b(?:is|are|was|were|isn't|aren't|will|would|can|could|may|might|must|should|has|have|had)\s+there\b"
    r"|\bthere\s+(?:\w+ly\s+)?(?:is|are|was|were|will|would|has|have|had|be|exists?|exist)\b",
    re.IGNORECASE,
)


def stand_alone(question: str, history: Sequence[Message]) -> str:
    """A follow-up question with the name it refers to; any other question unchanged.

    "When was she appointed?" after "Who is the harbour master?", "Edda Lindqvist" is
    "When was Edda Lindqvist appointed?"; "And the mayor?" is "And the mayor? (Port Selwick)".
    """
    if not history or len(question.split()) > _MAX_WORDS:
        return question
    reference = _find_reference(question)
    if reference is None and not _is_elliptic(question):
        return question
    # A place or a thing is what was asked about; a person is more often what was answered.
    is_person = reference is not None and reference.group().lower() not in ("it", "its", "there")
    name = _topic(history, prefers_answer=is_person)
    if not name:
        return question
    return f"{question} ({name})" if reference is None else _replace(question, reference, name)


def _find_reference(question: str) -> re.Match[str] | None:
    """The first pronoun that refers to something outside the question."""
    names = [name.start for name in capitalised_names_in(question)]
    expletives = [
        match.span() for pattern in (_EXPLETIVE_IT, _EXISTENTIAL_THERE) for match in pattern.finditer(question)
    ]
    for match in _PRONOUN.finditer(question):
        is_expletive = match.group().lower() in ("it", "there") and any(a <= match.start() < b for a, b in expletives)
        # "When did Edda say she would leave?": the name stands in the question itself.
        is_answered_inside = any(start < match.start() for start in names)
        if not is_expletive and not is_answered_inside and not _refers_inside(question, match):
            return match
    return None


def _refers_inside(question: str, reference: re.Match[str]) -> bool:
    """Whether a pronoun refers to a word of its own question, by where it stands."""
    before, pronoun = question[: reference.start()], reference.group()
    if before.strip() and pronoun[0].isupper():  # a word of a title: "It'll Be Me"
        return True
    if reference["there"]:
        return False
    # What is asked about: "When was she"; but "the operators are warned, what may they".
    if _AFTER_AUXILIARY.search(before):
        return _EARLIER_CLAUSE.search(before) is not None
    first = question.split()[0].lower()
    is_far = len(before.split()) >= _FAR
    if reference["their"]:
        is_doer = first in ("what", "which") and re.search(rf"\b{_AUXILIARY}\b", before, re.IGNORECASE) is None
        return is_far or is_doer or (first == "who" and pronoun == "their") or _is_own(question, reference)
    is_subject = pronoun in ("he", "she", "they") or _CONJUNCTION.search(before) is not None
    if is_subject or _IS_SUBJECT_THERE.match(question, reference.end()):
        return _PHRASE.search(before) is not None or (first == "who" and not _CONJUNCTION.search(before))
    return is_far and pronoun in ("it", "them") and _PHRASE.search(before) is not None


def _is_own(question: str, reference: re.Match[str]) -> bool:
    return question[reference.end() :].lstrip().startswith("own ")


def _is_elliptic(question: str) -> bool:
    """Whether the question is a few words that need the conversation and contain no name.

    "Who invented paper?" has few words and no name, and needs no conversation.
    """
    num_words = len(question.split())
    is_continued = num_words <= _SHORT and _CONTINUES.match(question) is not None
    is_bare = num_words <= _ASKING_WORDS and _ASKS.match(question) is not None
    return (is_continued or is_bare) and next(iter(capitalised_names_in(question)), None) is None


def _replace(question: str, reference: re.Match[str], name: str) -> str:
    insert = f"{name}'s" if reference["their"] or _is_possessive(question, reference) else name
    insert = f"in {insert}" if reference["there"] else insert
    return question[: reference.start()] + insert + question[reference.end() :]


def _topic(history: Sequence[Message], *, prefers_answer: bool) -> str:
    """The last topic of the conversation; empty if it contains no name."""
    for turn in _turns(history):
        order = sorted(turn, key=lambda message: (message.role == "assistant") != prefers_answer)
        for message in order:
            names = _outer_names(message.content)
            # A long reply contains many names; only a short one is the name that was asked for.
            is_usable = message.role == "user" or len(message.content.split()) <= _ANSWER_WORDS
            if names and is_usable:
                return names[-1]
    return ""


def _turns(history: Sequence[Message]) -> Iterator[list[Message]]:
    """Question and reply pairs, the last first."""
    turn: list[Message] = []
    for message in reversed(history):
        turn.append(message)
        if message.role == "user":
            yield turn
            turn = []


def _outer_names(text: str) -> list[str]:
    """Names in a text in its spelling, without those inside another name."""
    spans = list(capitalised_names_in(text))
    outer = [
        span
        for span in spans
        if not any(o is not span and o.start <= span.start and span.end <= o.end and o != span for o in spans)
    ]
    return [text[span.start : span.end] for span in outer]


def _is_possessive(question: str, reference: re.Match[str]) -> bool:
    """Whether "her" stands before a noun: "her house", but not "appointed her?" or "did her in"."""
    is_her = reference.group().lower() == "her"
    return is_her and re.match(r"\s+[a-z]{4,}", question[reference.end() :]) is not None
