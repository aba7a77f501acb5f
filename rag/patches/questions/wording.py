"""Questions that ask for the answer in a gap."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.core.english import FUNCTION_WORDS
from rag.patches.questions.gaps import Gap

_AUXILIARY = re.compile(r"\s(is|are|was|were|has|have|had|can|could|will|would|may|must|should)\s")
_PREPOSITIONS = "in|at|near|from|to|on|by|with|for|since|until|under|after|before|during"
_TAIL = re.compile(rf"\s(?:{_PREPOSITIONS})\s(?=[A-Z0-9])")
_PRESENT = re.compile(
    r"^(The\s[a-z]+|(?:The\s)?[A-Z][\w'\u2019]*(?:\s[A-Z][\w'\u2019]*)*)\s([a-z]{2,}s)(\s(?:[a-z]+\s)?|\s?)$"
)
_HAVING = {"has": "does", "have": "do", "had": "did"}


def ask(gap: Gap) -> Iterator[str]:
    """Questions about a gap, the most direct first."""
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


def _with_do(gap: Gap, present: re.Match[str]) -> Iterator[str]:
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


def _fronted(gap: Gap, auxiliary: re.Match[str]) -> Iterator[str]:
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
