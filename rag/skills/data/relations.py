"""Questions about what encyclopaedias say of their subject: when born, who directed, where located.

A rule is a pattern of a sentence, with the answer in a group, and the wordings in which people ask for it. Rules only,
no model: what they write is short and natural, and true by construction. Source: ours.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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


def _rule(about: Subject, pattern: str, needs: str, *wordings: str) -> Relation:
    for name, words in (("[nation]", _NATION), ("[job]", _JOB), ("[body]", _BODY), ("[house]", _HOUSE)):
        pattern = pattern.replace(name, words)
    filled = re.sub(r"<(\w+)>", lambda match: f"({_PATTERN[match.group(1)]})", pattern)
    filled = re.sub(r"\{([a-z]+)\}", lambda match: f"(?:{_PATTERN[match.group(1)]})", filled)
    return Relation(about, re.compile(filled), wordings, tuple(needs.split()))


RELATIONS: tuple[Relation, ...] = (
    _rule(
        "person",
        r"\bborn:?\s*(?:on\s+)?<date>",
        "born",
        "When was {} born?",
        "What is {}'s date of birth?",
        "In which year was {} born?",
    ),
    _rule(
        "person",
        r"^[^()]*\(\s*<day>\s*[\u2013-]\s*{day}",
        "born \u2013",
        "When was {} born?",
        "On what date was {} born?",
    ),
    _rule(
        "person",
        r"^[^()]*\(\s*{day}\s*[\u2013-]\s*<day>",
        "died death \u2013",
        "When did {} die?",
        "What was the date of {}'s death?",
    ),
    _rule("person", r"\bdied\s+(?:on\s+)?<date>", "died death", "When did {} die?", "What year did {} die?"),
    _rule(
        "person",
        r"\bborn\b[^.;()]{0,40}?\bin\s+<place>",
        "born birth",
        "Where was {} born?",
        "What is the birthplace of {}?",
        "In what city was {} born?",
    ),
    _rule(
        "person",
        r"\bdied\b[^.;()]{0,30}?\bin\s+<place>",
        "died death",
        "Where did {} die?",
        "What is {}'s place of death?",
    ),
    _rule(
        "work",
        r"\bdirected\s+(?:and\s+\w+\s+)?by\s+<person>",
        "direct",
        "Who directed {}?",
        "Who was the director of {}?",
        "Who is the director of the film {}?",
    ),
    _rule(
        "work",
        r"\b(?:written|co-written)\s+(?:and\s+\w+\s+)?by\s+<person>",
        "wr",
        "Who wrote {}?",
        "Who is the author of {}?",
        "Who was {} written by?",
    ),
    _rule(
        "work",
        r"\bproduced\s+(?:and\s+\w+\s+)?by\s+<name>",
        "produc",
        "Who produced {}?",
        "Who was the producer of {}?",
    ),
    _rule(
        "work",
        r"\b(?:composed|scored)\s+by\s+<person>",
        "compos music scor",
        "Who composed {}?",
        "Who wrote the music for {}?",
    ),
    _rule(
        "work",
        r"\b(?:sung|performed|recorded)\s+by\s+(?:[a-zA-Z-]+\s+){0,4}?(?:band|singer|artist|rapper|group|duo|songwriter)\s+<name>",
        "song album sing band perform",
        "Who sings {}?",
        "Who performed {}?",
        "Who recorded {}?",
        "Which artist sang {}?",
    ),
    _rule(
        "work",
        r"\b(?:song|album|single|EP)\s+by\s+(?:[a-zA-Z-]+\s+){0,6}?(?:band|singer|artist|rapper|group|duo|songwriter|musician)\s+<name>",
        "song album single sing band",
        "Who sings {}?",
        "Who recorded {}?",
        "Who is the performer of {}?",
        "Who sang {}?",
    ),
    _rule(
        "work",
        r"\bstarring\s+<person>",
        "star cast",
        "Who stars in {}?",
        "Who played the lead in {}?",
        "Which actor starred in {}?",
    ),
    _rule("work", r"\b(?:stars|features)\s+<person>", "star featur cast", "Who stars in {}?", "Who is in {}?"),
    _rule(
        "work", r"\b(?:played|portrayed|voiced)\s+by\s+<person>", "play portray voic", "Who plays {}?", "Who played {}?"
    ),
    _rule(
        "group",
        r"\b(?:founded|established|formed|created|incorporated)\s+(?:\w+\s+){0,3}?in\s+<date>",
        "found establish form creat",
        "When was {} founded?",
        "What year was {} established?",
        "In which year was {} formed?",
    ),
    _rule(
        "group",
        r"\b(?:founded|established|created)\s+(?:in\s+\d{4}\s+)?by\s+(?:[a-z-]+\s+){0,3}<person>",
        "found establish creat",
        "Who founded {}?",
        "Who was the founder of {}?",
        "Who created {}?",
    ),
    _rule(
        "work",
        r"\b(?:released|premiered|published|issued)\s+(?:\w+\s+){0,3}?(?:on|in)\s+<date>",
        "releas premier publish issu",
        "When was {} released?",
        "When did {} come out?",
        "In what year was {} published?",
    ),
    _rule(
        "work",
        r"\bpremiered\s+(?:\w+\s+){0,5}?on\s+<day>",
        "premier",
        "When did {} premiere?",
        "When did {} first air?",
    ),
    _rule(
        "work",
        r"\bis\s+an?\s+(\d{4})\s+(?:[\w-]+\s+){0,5}?(?:film|album|song|novel|book|game|series|play|movie)",
        "film album song novel book",
        "When was {} released?",
        "When did {} come out?",
        "What year is {} from?",
    ),
    _rule(
        "place",
        r"\b(?:located|situated)\s+(?:[a-z-]+\s+){0,3}?(?:in|at|near|on)\s+(?:the\s+)?<place>",
        "locat situat in",
        "Where is {}?",
        "Where is {} located?",
        "In what place is {}?",
    ),
    _rule(
        "place",
        r"\bis\s+an?\s+(?:[\w-]+\s+){0,4}?(?:[body]|[house])\s+(?:located\s+|situated\s+)?in\s+(?:the\s+)?<place>",
        "in",
        "Where is {}?",
        "Where is {} located?",
        "In which place is {} found?",
    ),
    _rule(
        "group",
        r"\b(?:based|headquartered)\s+in\s+<place>",
        "bas headquarter",
        "Where is {} based?",
        "Where are the headquarters of {}?",
        "What city is {} based in?",
    ),
    _rule(
        "work",
        r"\bpublished\s+by\s+<name>",
        "publish",
        "Who published {}?",
        "What company published {}?",
        "Who is the publisher of {}?",
    ),
    _rule(
        "group",
        r"\bdeveloped\s+(?:and\s+\w+\s+)?by\s+<name>",
        "develop",
        "Who developed {}?",
        "Which company developed {}?",
    ),
    _rule(
        "place",
        r"\b(?:designed|built|constructed)\s+by\s+(?:[a-z-]+\s+){0,3}<name>",
        "design buil construct architect",
        "Who designed {}?",
        "Who built {}?",
    ),
    _rule(
        "place",
        r"\b(?:built|constructed|completed|opened)\s+(?:\w+\s+){0,2}?in\s+<date>",
        "buil construct complet open",
        "When was {} built?",
        "When did {} open?",
        "In what year was {} completed?",
    ),
    _rule(
        "person",
        r"\b(?:son|daughter|child)\s+of\s+(?:[A-Z]?[a-z]+\s+){0,2}?<person>",
        "son daughter father mother child parent",
        "Who is the father of {}?",
        "Who was a parent of {}?",
        "Whose child is {}?",
    ),
    _rule(
        "person",
        r"\b(?:wife|husband|widow|spouse)\s+of\s+<person>",
        "wife husband spouse marri",
        "Who was {} married to?",
        "Who is the spouse of {}?",
    ),
    _rule(
        "person",
        r"\bmarried\s+(?:to\s+)?(?:the\s+)?(?:[a-z-]+\s+){0,2}?<person>",
        "wife husband spouse marri",
        "Who did {} marry?",
        "Who was {} married to?",
        "Who is the spouse of {}?",
    ),
    _rule(
        "place",
        r"\bpopulation\s+(?:of|was|is)\s+(?:\w+\s+){0,2}?<number>",
        "population people inhabitant",
        "What is the population of {}?",
        "How many people live in {}?",
    ),
    _rule(
        "person",
        r"\b(?:is|was)\s+an?\s+(?:former\s+|retired\s+)?([nation])\s+(?:[a-z-]+\s+){0,4}?(?:[job]|film|band|company)",
        "",
        "What nationality is {}?",
        "Which country is {} from?",
        "What is the nationality of {}?",
    ),
    _rule(
        "person",
        r"\b(?:is|was)\s+an?\s+(?:former\s+|retired\s+)?(?:[nation]\s+)((?:[a-z-]+\s+){0,2}(?:[job]))\b",
        "",
        "What is the occupation of {}?",
        "What does {} do?",
        "What was {} known as?",
        "What profession did {} have?",
    ),
    _rule(
        "place",
        r"\bnamed\s+(?:after|for|in honou?r of)\s+(?:the\s+)?(?:[a-z-]+\s+){0,3}<name>",
        "nam",
        "Who is {} named after?",
        "What was {} named after?",
    ),
    _rule(
        "place",
        r"\b(?:discovered|invented|described)\s+(?:in\s+\d{4}\s+)?by\s+(?:[a-zA-Z-]+\s+){0,2}?<person>",
        "discover invent describ",
        "Who discovered {}?",
        "Who invented {}?",
    ),
    _rule(
        "person",
        r"\b(?:attended|graduated\s+from|studied\s+at|educated\s+at|enrolled\s+at)\s+(?:the\s+)?<name>",
        "attend graduat stud educat school enrol",
        "Where did {} go to school?",
        "Where did {} study?",
        "Which school did {} attend?",
    ),
    _rule(
        "person",
        r"\b(?:plays?|played)\s+for\s+(?:the\s+)?<name>",
        "play",
        "What team does {} play for?",
        "Which club did {} play for?",
    ),
    _rule(
        "person",
        r"\b(?:succeeded|replaced)\s+by\s+(?:[a-z-]+\s+){0,2}<name>",
        "succe replac",
        "Who succeeded {}?",
        "Who replaced {}?",
    ),
    _rule(
        "person",
        r"\bsucceeded\s+(?:his|her)?\s*(?:[a-z-]+\s+){0,2}<person>",
        "succe",
        "Who did {} succeed?",
        "Who came before {}?",
    ),
    _rule(
        "person",
        r"\bmember\s+of\s+(?:the\s+)?<name>",
        "member",
        "What was {} a member of?",
        "Which organization is {} a member of?",
    ),
    _rule(
        "person", r"\bwon\s+(?:the|a|an)\s+<name>", "won win award priz", "What did {} win?", "Which award did {} win?"
    ),
    _rule(
        "work",
        r"\bbased\s+on\s+(?:the\s+|a\s+)?(?:[\w-]+\s+){0,4}?by\s+<person>",
        "bas",
        "Who wrote the story that {} is based on?",
        "Whose work is {} based on?",
    ),
    _rule(
        "group", r"\bowned\s+(?:and\s+\w+\s+)?by\s+(?:the\s+)?<name>", "own", "Who owns {}?", "Who is the owner of {}?"
    ),
    _rule(
        "person",
        r"\bserved\s+as\s+(?:the\s+)?((?:[\w-]+\s+){0,4}(?:of|for)\s+(?:the\s+)?[A-Z][\w'-]*(?:\s+[A-Z][\w'-]*){0,3})",
        "serv",
        "What did {} serve as?",
        "What position did {} hold?",
    ),
    _rule("person", r"\bfrom\s+<date>\s+(?:to|until)", "from", "When did {} begin?", "From when did {} serve?"),
    _rule(
        "person",
        r"\bknown\s+for\s+(?:\w+\s+){0,3}?<name>",
        "known",
        "What is {} known for?",
        "What is {} best known for?",
    ),
    _rule(
        "place",
        r"\bconsists?\s+of\s+<number>",
        "consist",
        "How many parts does {} consist of?",
        "How many does {} have?",
    ),
    _rule("place", r"\bcapital\s+(?:city\s+)?of\s+(?:the\s+)?<place>", "capital", "What is {} the capital of?"),
    _rule(
        "place", r"\bspoken\s+in\s+(?:the\s+)?<place>", "spoken", "Where is {} spoken?", "What country is {} spoken in?"
    ),
    _rule("place", r"\bfound\s+in\s+(?:the\s+)?<place>", "found", "Where is {} found?", "Where can you find {}?"),
)

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
    for relation in RELATIONS:
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
        for relation in RELATIONS
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
