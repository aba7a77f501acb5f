"""What contradicts what in a library: sentences of different documents, and claims of its graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from kg.graph import KnowledgeGraph
from kg.types import Provenance
from rag.conflicts.answers import normalize, same_answer
from rag.conflicts.candidates import Sentence, find_candidates, overlap, read_sentences
from rag.conflicts.claims import Clash, find_clashes
from rag.conflicts.dates import document_date, statement_date
from rag.conflicts.sentences import split_sentences
from rag.conflicts.statement import read_statement
from rag.conflicts.statements import Contradiction, Topic, contradict
from rag.core.passages import Passage

# A claim of the graph is as sure as what read it; between a plain exchange of values and an edited sentence.
_CLAIM_CONFIDENCE = 0.75
# Share of a passage's words that another one holds, from which they are likely about one thing. Chosen by eye on the
# first 2,500 passages of 2wiki, where passages of two subjects share less.
MIN_TOPIC = 0.4
_REPORT_EVERY = 200

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Place:
    """One sentence that says so.

    Attributes:
        sentence: as it stands.
        passage_id, doc_id, source, title, location: where.
        date: of the statement or its document, ISO 8601; empty where unknown.
    """

    sentence: str
    passage_id: str
    doc_id: str
    source: str
    title: str
    location: str
    date: str


@dataclass(frozen=True)
class Side:
    """One of the values, and everything that says so; the newest place first."""

    object: str
    places: tuple[Place, ...]

    @property
    def date(self) -> str:
        """The latest date; empty without one."""
        return max((place.date for place in self.places), default="")


@dataclass(frozen=True)
class LibraryConflict:
    """Statements of one thing that cannot all be true.

    Attributes:
        kind: ``value``, ``negation``, ``opposite``, or ``claim`` of the graph.
        confidence: 0 to 1, higher is surer.
        subject, relation: of a claim of the graph; else empty.
        sides: the values, the one with the latest date first.
    """

    kind: str
    confidence: float
    subject: str
    relation: str
    sides: tuple[Side, ...]


def find_library_conflicts(
    passages: Iterable[Passage], graph: KnowledgeGraph | None = None, report: Report | None = None
) -> list[LibraryConflict]:
    """Every contradiction between documents, surest first.

    Args:
        passages: of the whole library, a document's passages in their order.
        graph: its claims, if they are to be compared too.
        report: is told how many sentences of how many were compared.
    """
    passages = list(passages)
    sentences = list(read_sentences(passages))
    dates = _document_dates(passages)
    topics = Topics(passages, sentences)
    found: list[tuple[int, int, Contradiction]] = []
    for number, others in find_candidates(sentences):
        for other in others:
            topic = topics.compare(sentences[other].passage, sentences[number].passage)
            clash = contradict(sentences[other].text, sentences[number].text, topic=topic)
            if clash is not None and not _describe_themselves(clash, sentences[other], sentences[number]):
                found.append((other, number, clash))
        if report and (number % _REPORT_EVERY == 0 or number + 1 == len(sentences)):
            report(number + 1, len(sentences))
    conflicts = _join(found, sentences, dates)
    if graph is not None:
        conflicts += _from_claims(graph, passages, dates, conflicts)
    return sorted(conflicts, key=lambda c: (-c.confidence, -_num_documents(c), c.sides[0].object))


class Topics:
    """Whether two passages are likely about one thing: by their titles, else by the words that they share."""

    def __init__(self, passages: Sequence[Passage], sentences: Sequence[Sentence]) -> None:
        self._keys: dict[str, frozenset[str]] = {}
        for sentence in sentences:
            known = self._keys.get(sentence.passage.passage_id, frozenset())
            self._keys[sentence.passage.passage_id] = known | sentence.keys
        self._titles = {passage.passage_id: _title_words(passage.title) for passage in passages}
        self._is_subject = {passage.passage_id: _names_its_title(passage) for passage in passages}

    def compare(self, one: Passage, other: Passage) -> Topic:
        """``likely`` or ``unknown``; passages about what their different titles name are about different things."""
        titles = self._titles[one.passage_id], self._titles[other.passage_id]
        if titles[0] and titles[0] == titles[1]:
            return "likely"
        if self._is_subject[one.passage_id] and self._is_subject[other.passage_id]:
            return "unknown"
        share = overlap(self._keys[one.passage_id], self._keys[other.passage_id])
        return "likely" if share >= MIN_TOPIC else "unknown"


def _title_words(title: str) -> frozenset[str]:
    """The words of a title without numbers and file endings, so that two years of one notice have one title."""
    return frozenset(re.findall(r"[^\W\d_]+", normalize(PurePath(title).stem)))


def _names_its_title(passage: Passage) -> bool:
    """Whether the text speaks of what its title names, as an article of an encyclopedia does."""
    title = normalize(re.sub(r"\([^()]*\)", "", passage.title))
    return bool(title) and f" {title} " in f" {normalize(passage.text)} "


def _describe_themselves(clash: Contradiction, one: Sentence, other: Sentence) -> bool:
    """Whether what differs is what each document is about: "Runmarö is an island", "Ingmarsö is an island"."""
    sides = ((clash.left, one), (clash.right, other))
    titles = [normalize(sentence.passage.title) for _, sentence in sides]
    is_each_own = all(
        value and f" {normalize(value)} " in f" {title} " for (value, _), title in zip(sides, titles, strict=True)
    )
    return is_each_own and titles[0] != titles[1]


def _document_dates(passages: Sequence[Passage]) -> dict[str, str]:
    """Date of each document, from its metadata, its first passage or its name."""
    dates: dict[str, str] = {}
    for passage in passages:
        if passage.doc_id not in dates or passage.start == 0:
            head = passage.text if passage.start == 0 else ""
            dates[passage.doc_id] = document_date(passage.date, passage.source, head)
    return dates


def _join(
    found: Sequence[tuple[int, int, Contradiction]], sentences: Sequence[Sentence], dates: Mapping[str, str]
) -> list[LibraryConflict]:
    """Pairs of sentences as conflicts: pairs that have a sentence in common are one conflict with several places."""
    groups: list[LibraryConflict] = []
    by_sentence: dict[int, int] = {}
    for one, other, clash in sorted(found, key=lambda pair: -pair[2].confidence):
        values = (clash.left or sentences[one].text, clash.right or sentences[other].text)
        sides = [
            Side(value, (_place(sentences[number], dates, value),))
            for number, value in zip((one, other), values, strict=True)
        ]
        group = by_sentence.get(one, by_sentence.get(other))
        if group is None:
            group = len(groups)
            groups.append(LibraryConflict(clash.kind, clash.confidence, "", "", ()))
        by_sentence.update({one: group, other: group})
        for side in sides:
            groups[group] = replace(groups[group], sides=_add_side(groups[group].sides, side))
    return [replace(group, sides=_newest_first(group.sides)) for group in groups]


def _add_side(sides: tuple[Side, ...], new: Side) -> tuple[Side, ...]:
    for i, side in enumerate(sides):
        if same_answer(side.object, new.object) != "different":
            places = tuple(dict.fromkeys((*side.places, *new.places)))
            return (*sides[:i], replace(side, places=places), *sides[i + 1 :])
    return (*sides, new)


def _place(sentence: Sentence, dates: Mapping[str, str], value: str) -> Place:
    passage = sentence.passage
    date = statement_date(sentence.text, dates.get(passage.doc_id, ""), value)
    return Place(
        sentence.text, passage.passage_id, passage.doc_id, passage.source, passage.title, passage.location, date
    )


def _from_claims(
    graph: KnowledgeGraph,
    passages: Sequence[Passage],
    dates: Mapping[str, str],
    known: Sequence[LibraryConflict],
) -> list[LibraryConflict]:
    """Clashes of claims that no pair of sentences shows already, without claims that their sentence does not assert."""
    by_id = {passage.passage_id: passage for passage in passages}
    shown = {frozenset(place.passage_id for side in conflict.sides for place in side.places) for conflict in known}
    conflicts = []
    for clash in find_clashes(graph, dates):
        sides = _claim_sides(clash, by_id, dates)
        ids = {place.passage_id for side in sides for place in side.places}
        if len(sides) > 1 and not any(ids <= other for other in shown):
            conflicts.append(
                LibraryConflict("claim", _CLAIM_CONFIDENCE, clash.subject, clash.relation, _newest_first(sides))
            )
    return conflicts


def _claim_sides(clash: Clash, passages: Mapping[str, Passage], dates: Mapping[str, str]) -> tuple[Side, ...]:
    sides = []
    for side in clash.sides:
        places = [
            _place(Sentence(text, passages[source.passage_id], frozenset()), dates, side.object)
            for source in side.sources
            if source.passage_id in passages and (text := _asserting_sentence(source, passages[source.passage_id]))
        ]
        if places:
            sides.append(Side(side.object, tuple(places)))
    return tuple(sides)


def _asserting_sentence(source: Provenance, passage: Passage) -> str:
    """The sentence that makes a claim; empty where it denies it, asks it, or speaks of the past."""
    if not source.end:  # an imported claim has no place in the text
        return next(iter(split_sentences(passage.text)), passage.title)
    words = " ".join(passage.text[source.start : source.end].split())
    sentence = next((text for text in split_sentences(passage.text) if words in text), words)
    statement = read_statement(sentence)
    is_stated = statement.is_asserted and not statement.is_negated and not statement.is_past_state
    return sentence if is_stated else ""


def _newest_first(sides: Sequence[Side]) -> tuple[Side, ...]:
    ordered = [
        replace(side, places=tuple(sorted(side.places, key=lambda place: place.date, reverse=True))) for side in sides
    ]
    return tuple(sorted(ordered, key=lambda side: side.date, reverse=True))


def _num_documents(conflict: LibraryConflict) -> int:
    return len({place.doc_id for side in conflict.sides for place in side.places})
