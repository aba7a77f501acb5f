"""The deterministic writer: a document's sentences as questions and answers, without any model.

An answer is a name, a number or a year that stands in a sentence. Its questions are the sentence itself with the answer
asked for in place, the same turned into a direct question where its verb allows, and the sentence's beginning
to be completed. The only person, year, place or number of a document is also asked for as such ("About X: when?"), so
that a question in other words finds it by its question word. Closed-class words of English carry all of it; no list of
topics, verbs or names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kg.names import FUNCTION_WORDS
from rag.patches.base import PatchDocument, Sample

_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_NAME = r"[A-Z][\w'\u2019&-]*(?:\s+(?:(?:of|the|de|la|von|van|and)\s+)*(?:[A-Z][\w'\u2019&-]*|\d+))*"
_NUMBER = r"\d[\d,.]*\d|\d"
_SPAN = re.compile(rf"{_NAME}|{_NUMBER}")
_AUXILIARY = re.compile(r"\s(is|are|was|were|has|have|had|can|could|will|would|may|must|should)\s")
_YEAR = re.compile(r"1\d{3}|20\d\d")
_PLACE = frozenset(("in", "at", "near", "from", "to", "into", "on", "off", "outside", "inside", "around"))
_PREPOSITIONS = "in|at|near|from|to|on|by|with|for|since|until|under|after|before|during"
_TAIL = re.compile(rf"\s(?:{_PREPOSITIONS})\s(?=[A-Z0-9])")
_PRONOUN = re.compile(r"^(It|He|She|They|Its|His|Her|Their)\s")
_POSSESSIVE = frozenset(("Its", "His", "Her", "Their"))
_PRESENT = re.compile(
    r"^(The\s[a-z]+|(?:The\s)?[A-Z][\w'\u2019]*(?:\s[A-Z][\w'\u2019]*)*)\s([a-z]{2,}s)(\s(?:[a-z]+\s)?|\s?)$"
)
_CLASSIFIED = re.compile(r"\bthe\s([a-z]+)\s$")
_HAVING = {"has": "does", "have": "do", "had": "did"}
_MIN_WORDS, _MAX_WORDS = 4, 40


def write_rules(document: PatchDocument, max_questions: int) -> list[Sample]:
    """Questions and answers of a document, without duplicates, up to ``max_questions`` about one answer.

    Source: ours.
    """
    subject = _subject(document)
    gaps = [
        gap
        for sentence in sentences(document.text, subject)
        for gap in _gaps(sentence)
        if gap.answer.casefold() not in document.title.casefold()
    ]
    kinds = Counter(gap.kind for gap in gaps)
    by_answer = [_samples(gap, subject, kinds[gap.kind] == 1)[:max_questions] for gap in gaps]
    # In turn, so that each step of the training meets every answer once.
    in_turn = [samples[at] for at in range(max_questions) for samples in by_answer if at < len(samples)]
    return list(dict.fromkeys(in_turn))


def _subject(document: PatchDocument) -> str:
    """What the text is about: its title where the text names it, else the name that it begins with."""
    if document.title and document.title.casefold() in document.text.casefold():
        return document.title
    first = re.match(rf"(?:The\s)?({_NAME})", document.text.lstrip("#* "))
    return first.group(1) if first and first.group(1).lower() not in FUNCTION_WORDS else ""


def sentences(text: str, subject: str) -> list[str]:
    """The text's sentences, headings left out; one that begins with a pronoun gets the subject in its place."""
    found = []
    for block in re.split(r"\n\s*\n|\n(?=#)", text):
        lines = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        for raw in _SENTENCE.split(" ".join(" ".join(lines).split())):
            sentence = raw.strip("*-> \t")
            if _MIN_WORDS <= len(sentence.split()) <= _MAX_WORDS and sentence.endswith((".", "!", '."')):
                found.append(_resolved(sentence.rstrip('.!"'), subject))
    return found


def _resolved(text: str, title: str) -> str:
    match = _PRONOUN.match(text)
    if not match or not title:
        return text
    owner = f"{title}'s" if match.group(1) in _POSSESSIVE else title
    return f"{owner} {text[match.end() :]}"


@dataclass(frozen=True)
class _Gap:
    """A sentence around an answer."""

    before: str
    answer: str
    after: str
    noun: str = ""

    @property
    def last_word(self) -> str:
        return self.before.split()[-1].lower() if self.before.split() else ""

    @property
    def kind(self) -> str:
        """What asks for answers of this kind; nothing where the sentence does not tell."""
        by_word = {"what year": "when", "how many": "how many", "what place": "where", "whom": "who"}
        is_name = self.asks == "who or what" and " " in self.answer
        return "who" if is_name else by_word.get(self.asks, "")

    @property
    def asks(self) -> str:
        """The word that asks for this answer."""
        if self.noun:
            return f"which {self.noun}"
        if _YEAR.fullmatch(self.answer):
            return "what year"
        if self.answer[0].isdigit():
            return "how many" if re.match(r"\s[a-z]", self.after) else "what number"
        if self.last_word in _PLACE:
            return "what place"
        return "whom" if self.last_word == "by" else "who or what"


def _samples(gap: _Gap, subject: str, is_only_one: bool) -> list[Sample]:
    """The samples of an answer, most direct first; the only one of its kind is asked for by its kind, too."""
    is_free = gap.answer.casefold() not in subject.casefold()
    questions = list(dict.fromkeys(_named(text, subject if is_free else "") for text in _questions(gap)))
    if questions and is_only_one and gap.kind and subject and is_free:
        # Second, so that it is among the few: on dev rows it taught more than another wording of the first.
        questions.insert(1, f"About {subject}: {gap.kind}?")
    return [Sample(question, gap.answer) for question in questions]


def _named(question: str, title: str) -> str:
    """A question that does not say what it is about, said so."""
    is_named = not title or title.casefold() in question.casefold()
    return question if is_named else f"About {title}: {question[0].lower()}{question[1:]}"


def _gaps(sentence: str) -> Iterator[_Gap]:
    for match in _SPAN.finditer(sentence):
        answer = match.group().removesuffix("'s")
        is_word = match.start() == 0 and answer.lower() in FUNCTION_WORDS
        if not is_word and answer.split()[0].lower() not in ("the", "a", "an"):
            before, after = sentence[: match.start()], sentence[match.start() + len(answer) :]
            # "the river Lom": a plain noun before a name says what the name is of.
            noun = None if answer[0].isdigit() else _CLASSIFIED.search(before)
            yield _Gap(before[: noun.start()] if noun else before, answer, after, noun.group(1) if noun else "")


def _questions(gap: _Gap) -> Iterator[str]:
    """Most direct first."""
    if not gap.before.strip():
        if gap.asks == "how many":
            yield f"How many{gap.after}?"
        elif " " in gap.answer:  # one word may have its capital from the sentence alone
            yield f"Who or what{gap.after}?"
        return
    auxiliary, present = _AUXILIARY.search(gap.before), _PRESENT.match(gap.before)
    if auxiliary:
        yield from _fronted(gap, auxiliary)
    elif present:
        yield from _with_do(gap, present)
    yield f"{gap.before}{gap.asks}{_cut(gap.after)}?"
    yield f"Complete the sentence: {gap.before.strip()}"


def _with_do(gap: _Gap, present: re.Match[str]) -> Iterator[str]:
    """``S verbs [preposition] <gap>``: "Where does S verb?", "How many N does S verb?"."""
    subject, verb, rest = _lowered(present.group(1)), _bare(present.group(2)), present.group(3).strip()
    if gap.asks == "how many":
        noun = gap.after.split()[0]
        yield f"How many {noun} does {subject} {verb}{f' {rest}' if rest else ''}?"
        yield f"What is the number of {noun} that {subject} {present.group(2)}{f' {rest}' if rest else ''}?"
        return
    if gap.asks == "what place" and len(rest.split()) == 1:
        yield f"Where does {subject} {verb}?"
    asks = gap.asks.capitalize() if gap.noun else "What"
    yield f"{asks} does {subject} {verb}{f' {rest}' if rest else ''}?"


def _bare(verb: str) -> str:
    """The plain form of a verb's third person."""
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    return verb[:-2] if re.search(r"(?:[sxz]|ch|sh|o)es$", verb) else verb[:-1]


def _fronted(gap: _Gap, auxiliary: re.Match[str]) -> Iterator[str]:
    """``S aux rest <gap>``: the auxiliary goes before the subject, and what asks before both."""
    subject, verb = _lowered(gap.before[: auxiliary.start()]), auxiliary.group(1)
    rest = gap.before[auxiliary.end() :].strip()
    if not rest and verb in _HAVING:
        asks = gap.asks if gap.asks != "how many" else f"how many {gap.after.split()[0]}"
        yield f"{asks.capitalize()} {_HAVING[verb]} {subject} have?"
        if gap.asks == "how many":
            yield f"What is the number of {gap.after.split()[0]} of {subject}?"
        return
    if not rest:
        who = "Who" if len(gap.answer.split()) > 1 else "What"
        yield f"{who} {verb} {subject}{_cut(gap.after)}?"
        yield f"Name {subject}."
        return
    preposition = rest.split()[-1].lower()
    if gap.asks == "how many":
        noun = gap.after.split()[0]
        yield f"How many {noun} {verb} {subject} {rest}?"
    elif preposition in _PREPOSITIONS.split("|"):
        stem = _TAIL.split(f" {rest.rsplit(' ', 1)[0] if ' ' in rest else ''}", maxsplit=1)[0].strip()
        stem = f" {stem}" if stem else ""
        asks = {"what place": "Where", "what year": "When", "whom": "Who"}.get(gap.asks, "What")
        asks = gap.asks.capitalize() if gap.noun else asks
        yield f"{asks} {verb} {subject}{stem}{'' if asks in ('Where', 'When') else f' {preposition}'}?"
        yield f"{preposition.capitalize()} {gap.asks} {verb} {subject}{stem}?"
    else:
        yield f"{gap.asks.capitalize() if gap.noun else 'What'} {verb} {subject} {rest}?"


def _lowered(subject: str) -> str:
    first, _, others = subject.partition(" ")
    return f"{first.lower()} {others}" if first.lower() in FUNCTION_WORDS else subject


def _cut(after: str) -> str:
    """What follows the answer, up to the next clause."""
    return re.split(r"[,;:]|\s(?:and|but|which|who)\s", after, maxsplit=1)[0].rstrip()
