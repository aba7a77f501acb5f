"""Claims that cannot both hold: one subject, one relation that takes one object, two objects.

Which relations take one object is read from the graph itself: a relation is functional when documents, each taken
alone, hardly ever give a subject two objects. Two documents that disagree do not count against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kg.claims import DEFINITE
from kg.graph import KnowledgeGraph
from kg.types import Provenance
from rag.conflicts.answers.same import same_answer


@dataclass(frozen=True)
class Side:
    """One of the objects, and who says so.

    Attributes:
        object: the object.
        sources: every place that claims it.
        dates: of the sources' documents, aligned with them; empty texts where unknown.
    """

    object: str
    sources: tuple[Provenance, ...]
    dates: tuple[str, ...]


@dataclass(frozen=True)
class Clash:
    """Different objects for one subject and one functional relation; sides with the latest known date first."""

    subject: str
    relation: str
    sides: tuple[Side, ...]


def find_clashes(
    graph: KnowledgeGraph,
    dates: Mapping[str, str] | None = None,
    functional: Iterable[str] | None = None,
    threshold: float = 0.9,
    min_subjects: int = 3,
) -> list[Clash]:
    """Every clash in the graph, by subject and relation; a clash is between documents, never inside one.

    Objects of which one is a fuller form of the other ("2003", "April 2003") agree.

    Args:
        graph: the claims.
        dates: date of each document by doc_id, as text that sorts by time (ISO 8601); where known.
        functional: relations to look at, in any case; default: those found by :func:`functional_relations`, and those
            spelt with the definite article (:mod:`kg.claims`), which take one object by grammar.
        threshold, min_subjects: for that default.
    """
    chosen = functional_relations(graph, threshold, min_subjects) if functional is None else map(_plain, functional)
    wanted = set(chosen)
    groups: dict[tuple[str, str], dict[str, list[Provenance]]] = {}
    for triple in graph.triples():
        is_definite = functional is None and triple.relation.startswith(DEFINITE)
        if is_definite or _plain(triple.relation) in wanted:
            key = (triple.subject, _plain(triple.relation))
            groups.setdefault(key, {}).setdefault(triple.object, []).append(triple.source)
    clashes = []
    for (subject, relation), objects in sorted(groups.items()):
        sides = _sides(objects, dates or {})
        if len(sides) > 1 and not _is_list(sides):
            clashes.append(Clash(subject, relation, sides))
    return clashes


def functional_relations(graph: KnowledgeGraph, threshold: float = 0.9, min_subjects: int = 3) -> tuple[str, ...]:
    """Relations that take one object, sorted.

    The functionality of a relation is the number of (document, subject) pairs over the number of (document, subject,
    object) triples, 0 to 1; those of at least ``threshold`` with at least ``min_subjects`` subjects are taken.

    Source: functionality after PARIS (Suchanek et al. 2011), equation 2, computed per document.
    """
    pairs: dict[str, set[tuple[str, str]]] = {}
    claims: dict[str, set[tuple[str, str, str]]] = {}
    for triple in graph.triples():
        relation, doc_id = _plain(triple.relation), triple.source.doc_id
        pairs.setdefault(relation, set()).add((doc_id, triple.subject))
        claims.setdefault(relation, set()).add((doc_id, triple.subject, triple.object))
    return tuple(
        relation
        for relation in sorted(pairs)
        if len({subject for _, subject in pairs[relation]}) >= min_subjects
        and len(pairs[relation]) >= threshold * len(claims[relation])
    )


def _is_list(sides: Sequence[Side]) -> bool:
    """Whether one document gives several of the objects: then the subject has several, and nobody disagrees."""
    documents = [doc_id for side in sides for doc_id in {source.doc_id for source in side.sources}]
    return len(documents) > len(set(documents))


def _sides(objects: Mapping[str, list[Provenance]], dates: Mapping[str, str]) -> tuple[Side, ...]:
    """Objects that disagree, each with its sources; an object that another one words in full joins that one."""
    joined: dict[str, list[Provenance]] = {}
    for name in sorted(objects, key=lambda name: (-len(name.split()), name)):
        fuller = next((other for other in joined if same_answer(name, other) != "different"), name)
        joined.setdefault(fuller, []).extend(objects[name])
    sides = [
        Side(name, tuple(sorted(sources)), tuple(dates.get(source.doc_id, "") for source in sorted(sources)))
        for name, sources in sorted(joined.items())
    ]
    return tuple(sorted(sides, key=lambda side: max(side.dates), reverse=True))


def _plain(relation: str) -> str:
    return " ".join(relation.replace("_", " ").lower().split())
