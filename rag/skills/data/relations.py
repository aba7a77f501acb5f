"""Questions about what encyclopaedias say of their subject: when born, who directed, where located.

A rule is a pattern of a sentence, with the answer in a group, and the wordings in which people ask for it. Rules only,
no model: what they write is short and natural, and true by construction. Source: ours.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from rag.conflicts.reading.spans import split_sentences
from rag.skills.data.rows import Row

_NAME = r"[A-Z][\w'\u2019.&-]*(?:\s+(?:(?:of|the|de|la|von|van|du|da|and|&)\s+){0,2}[A-Z][\w'\u2019.&-]*){0,5}"
_PERSON = r"[A-Z][\w'\u2019.-]*(?:\s+(?:(?:de|la|von|van|du|da|bin|al)\s+)?[A-Z][\w'\u2019.-]*){1,3}"
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = rf"(?:\d{{1,2}}\s+{_MONTH}\s+\d{{4}}|{_MONTH}\s+\d{{1,2}},?\s+\d{{4}}|{_MONTH}\s+\d{{4}}|\d{{4}})"
_DAY = rf"(?:\d{{1,2}}\s+{_MONTH}\s+\d{{4}}|{_MONTH}\s+\d{{1,2}},?\s+\d{{4}})"
_TOWN = r"[A-Z][\w'\u2019-]*(?:\s+(?:of\s+)?[A-Z][\w'\u2019-]*){0,3}"
_PLACE = rf"{_TOWN}(?:,\s+[A-Z][\w'\u2019-]*(?:\s+[A-Z][\w'\u2019-]*){{0,2}})?"
_NATION = r"[A-Z][a-z]+(?:[- ][A-Z][a-z]+)?"
_JOB = (
    "actor|actress|singer|writer|politician|footballer|director|composer|musician|author|painter|lawyer|poet|cricketer"
    "|journalist|swimmer|cyclist|wrestler|boxer|novelist|historian|philosopher|physicist|chemist|bishop|judge|engineer"
    "|architect|player|artist|scientist|model|producer"
)
_BODY = "village|town|city|municipality|commune|community|settlement|parish|suburb|district|island|river|lake|mountain"
_HOUSE = "school|university|college|station|airport|hospital|museum|church|castle"
_NUMBER = r"\d[\d,.]*\d(?:\s+(?:million|billion))?|\d"
_PATTERN = {"name": _NAME, "person": _PERSON, "date": _DATE, "day": _DAY, "place": _PLACE, "number": _NUMBER}

Subject = Literal["person", "work", "place", "group"]
_SUBJECTS: tuple[tuple[Subject, re.Pattern[str]], ...] = (
    (
        "work",
        re.compile(
            r"\bis\s+an?\s+[^.]{0,60}?\b(?:film|album|song|single|novel|book|series|play|game|musical|magazine|show|opera)\b"
        ),
    ),
    (
        "person",
        re.compile(
            r"\b(?:born|[Hh]e|[Ss]he|his|her)\b|\(\s*\d{1,2}\s+[A-Z]|\b(?:actor|actress|singer|politician|footballer)\b"
        ),
    ),
    (
        "place",
        re.compile(
            r"\b(?:is|was)\s+(?:an?|the)\s+[^.]{0,60}?\b(?:village|town|city|municipality|commune|district|island|river|lake|mountain|county|country|building|station|castle|church|park)\b"
        ),
    ),
)
_MAX_OPEN = 2


@dataclass(frozen=True)
class Relation:
    """A rule.

    Attributes:
        about: what kind of subject is asked so.
        pattern: of a sentence, the answer in group 1.
        wordings: with ``{}`` for the subject.
        needs: a word without which no text says it; decides whether a passage leaves the question open.
    """

    about: Subject
    pattern: re.Pattern[str]
    wordings: tuple[str, ...]
    needs: tuple[str, ...]


@cache
def load_relations() -> tuple[Relation, ...]:
    """The rules of ``relations.jsonl``."""
    text = (files(__package__) / "relations.jsonl").read_text(encoding="utf-8")
    return tuple(_read_rule(json.loads(line)) for line in text.splitlines())


def _read_rule(values: dict[str, Any]) -> Relation:
    """A rule of the file: ``<name>`` stands for an answer of that kind, ``{day}`` for one that is not asked for."""
    pattern = values["pattern"]
    for name, words in (("[nation]", _NATION), ("[job]", _JOB), ("[body]", _BODY), ("[house]", _HOUSE)):
        pattern = pattern.replace(name, words)
    pattern = re.sub(r"<(\w+)>", lambda match: f"({_PATTERN[match.group(1)]})", pattern)
    pattern = re.sub(r"\{([a-z]+)\}", lambda match: f"(?:{_PATTERN[match.group(1)]})", pattern)
    return Relation(values["about"], re.compile(pattern), tuple(values["wordings"]), tuple(values["needs"]))


_PARENTHESIS = re.compile(r"\s*\([^)]*\)\s*$")
_PRONOUN = re.compile(r"^(?:It|He|She|They|Its|His|Her|Their|The)\b")


def write_relations(document: str, title: str, text: str) -> Iterator[Row]:
    """Questions that the rules write about a passage's subject, which its title names; all their wordings."""
    subject = name_subject(title)
    if not subject:
        return
    is_first = True
    for sentence in split_sentences(text):
        if is_first or subject in sentence.text or _PRONOUN.match(sentence.text):
            yield from _write(document, title, text, subject, sentence.text)
        is_first = False


def _write(document: str, title: str, text: str, subject: str, sentence: str) -> Iterator[Row]:
    for relation in load_relations():
        match = relation.pattern.search(sentence)
        answer = match.group(1).strip(" ,.;") if match else ""
        if answer and answer.casefold() not in subject.casefold() and subject.casefold() not in answer.casefold():
            for wording in relation.wordings:
                yield Row(document, title, text, wording.format(subject), (_fit(wording, answer),), is_written=True)


def _fit(wording: str, answer: str) -> str:
    """The year of a date, where a year is asked for."""
    year = re.search(r"\b\d{4}\b", answer) if " year " in wording else None
    return year.group() if year else answer


def write_open(document: str, title: str, text: str) -> Iterator[Row]:
    """Questions that a passage leaves open, though people ask them of such a subject: no word they need is in it."""
    subject, lowered = name_subject(title), text.casefold()
    if not subject:
        return
    about = next((kind for kind, pattern in _SUBJECTS if pattern.search(text)), "group")
    fitting = [
        relation
        for relation in load_relations()
        if relation.about == about
        and relation.needs
        and not any(word in lowered for word in relation.needs)
        and not relation.pattern.search(text)
    ]
    # Which ones: by the document's name, so that all relations have their turn over a collection.
    for relation in random.Random(title).sample(fitting, min(_MAX_OPEN, len(fitting))):
        for wording in relation.wordings:
            yield Row(document, title, text, wording.format(subject), (), is_written=True)


def name_subject(title: str) -> str:
    """The subject of a page: its title without what stands in brackets to tell it from others."""
    return _PARENTHESIS.sub("", title).strip()
