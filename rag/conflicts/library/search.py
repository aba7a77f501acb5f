"""What contradicts what in a library: sentences of different documents, and claims of its graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kg.graph import KnowledgeGraph
from kg.types import Provenance
from rag.conflicts.answers.same import normalize, same_answer
from rag.conflicts.library.candidates import Sentence, find_candidates, read_sentences
from rag.conflicts.library.checkpoint import Checkpoint
from rag.conflicts.library.claims import Clash, find_clashes
from rag.conflicts.library.topics import Topics
from rag.conflicts.sentences import split_sentences
from rag.conflicts.statements.contradict import Contradiction, contradict
from rag.conflicts.statements.statement import read_statement
from rag.conflicts.values.dates import document_date, statement_date
from rag.core.passages import Passage

# A claim of the graph is as sure as what read it; between a plain exchange of values and an edited sentence.
_CLAIM_CONFIDENCE = 0.75
_REPORT_EVERY = 200
_SAVE_EVERY = 5000

Report = Callable[[int, int], None]
_Pair = tuple[int, int, Contradiction]


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
    passages: Iterable[Passage],
    graph: KnowledgeGraph | None = None,
    report: Report | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[LibraryConflict]:
    """Every contradiction between documents, surest first.

    Args:
        passages: of the whole library, a document's passages in their order.
        graph: its claims, if they are to be compared too.
        report: is told how many sentences of how many were compared.
        checkpoint: where to go on, if a comparison of the same passages was interrupted.
    """
    passages = list(passages)
    sentences = list(read_sentences(passages))
    dates = _document_dates(passages)
    pairs = _compare(sentences, Topics(passages, sentences), report, checkpoint)
    conflicts = _join(pairs, sentences, dates)
    if graph is not None:
        conflicts += _from_claims(graph, passages, dates, conflicts)
    return sorted(conflicts, key=lambda c: (-c.confidence, -_num_documents(c), c.sides[0].object))


def _compare(
    sentences: list[Sentence], topics: Topics, report: Report | None, checkpoint: Checkpoint | None
) -> list[_Pair]:
    """Every pair of sentences that contradict each other; what a checkpoint holds is not searched again."""
    first, known = checkpoint.load() if checkpoint else (0, [])
    pairs = [pair for one, other in known if (pair := _clash(sentences, topics, one, other))]
    for number, others in find_candidates(sentences, first):
        pairs += [pair for other in others if (pair := _clash(sentences, topics, other, number))]
        is_last = number + 1 == len(sentences)
        if report and (number % _REPORT_EVERY == 0 or is_last):
            report(number + 1, len(sentences))
        if checkpoint and (number % _SAVE_EVERY == _SAVE_EVERY - 1 or is_last):
            checkpoint.save(number + 1, [(one, other) for one, other, _ in pairs])
    return pairs


def _clash(sentences: Sequence[Sentence], topics: Topics, one: int, other: int) -> _Pair | None:
    a, b = sentences[one], sentences[other]
    clash = contradict(a.text, b.text, topic=topics.compare(a.passage, b.passage))
    return (one, other, clash) if clash and not _describe_themselves(clash, a, b) else None


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


def _join(pairs: Sequence[_Pair], sentences: Sequence[Sentence], dates: Mapping[str, str]) -> list[LibraryConflict]:
    """Pairs of sentences as conflicts: pairs that have a sentence in common are one conflict with several places."""
    groups: list[LibraryConflict] = []
    by_sentence: dict[int, int] = {}
    for one, other, clash in sorted(pairs, key=lambda pair: -pair[2].confidence):
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
