"""The part of a graph around some documents or a name, small enough to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from kg.graph import KnowledgeGraph
from kg.names import canonical
from kg.types import Claim, Provenance

# A name such as "Europe" stands everywhere; so many of its passages are enough to choose documents from.
_MAX_PASSAGES = 2000
_MAX_CLAIMS_PER_NAME = 20
# Of a long document, its commonest names are enough to choose from.
_MAX_CONSIDERED = 200
_MAX_TRIES = 5


@dataclass(frozen=True)
class Naming:
    """A document names something, in so many of its passages."""

    doc_id: str
    name: str
    num_passages: int


@dataclass(frozen=True)
class Link:
    """A claim that connects two names, and the documents that make it."""

    subject: str
    relation: str
    object: str
    doc_ids: tuple[str, ...]


@dataclass(frozen=True)
class Neighbourhood:
    """A part of a graph.

    Attributes:
        doc_ids: documents; those that were asked for come first.
        names: what they name; what is shared by most documents comes first.
        places: where each name stands in a text; ``None`` where only titles or imported claims hold it.
        namings: which document names what.
        links: claims between the names.
        num_names: names of the documents that were asked for, shown or not.
    """

    doc_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    places: tuple[Provenance | None, ...] = ()
    namings: tuple[Naming, ...] = ()
    links: tuple[Link, ...] = ()
    num_names: int = 0


def read_around_documents(
    graph: KnowledgeGraph, doc_ids: Sequence[str], *, max_names: int = 16, max_documents: int = 8
) -> Neighbourhood:
    """What documents name, and the other documents that name it too.

    Args:
        graph: of a library.
        doc_ids: the documents in the middle.
        max_names: names to show: those of claims, then those that connect most documents.
        max_documents: other documents to show: those that share most names.
    """
    counts = _count_names(graph, doc_ids)
    names = [name for name, _ in counts.most_common(_MAX_CONSIDERED)]
    claimed = {part for name in names for part in _linked_names(graph, name)}  # what other documents claim of it, too
    documents = {name: _documents_naming(graph, name) for name in {*names, *claimed}}
    order = sorted(
        documents,
        key=lambda name: (name not in claimed, -min(len(documents[name]), 1 + max_documents), -counts[name], name),
    )
    shown = _describe(graph, doc_ids, _leave_out_parts(order, documents)[:max_names], documents, max_documents)
    return replace(shown, num_names=len(counts))


def read_around_name(graph: KnowledgeGraph, name: str, *, max_names: int = 16, max_documents: int = 8) -> Neighbourhood:
    """The documents that name something, and what else they name. Empty for a name that is not in the graph."""
    name = canonical(name)
    naming = _documents_naming(graph, name)
    linked = _linked_names(graph, name)
    if not naming and not linked:
        return Neighbourhood()
    doc_ids = [doc_id for doc_id, _ in sorted(naming.items(), key=_by_count)[:max_documents]]
    counts = _count_names(graph, doc_ids)
    beside = [other for other, _ in counts.most_common(_MAX_CONSIDERED)]
    documents = {other: _documents_naming(graph, other) for other in {name, *linked, *beside}}
    beside.sort(key=lambda other: (-len(documents[other].keys() & set(doc_ids)), -counts[other], other))
    names = list(dict.fromkeys([name, *linked, *_leave_out_parts(beside, documents)]))[:max_names]
    return replace(_describe(graph, doc_ids, names, documents, 0), num_names=len(counts))


def _describe(
    graph: KnowledgeGraph,
    doc_ids: Sequence[str],
    names: Sequence[str],
    documents: dict[str, Counter[str]],
    max_documents: int,
) -> Neighbourhood:
    others = Counter(doc_id for name in names for doc_id in documents[name] if doc_id not in doc_ids)
    chosen = [*doc_ids, *(doc_id for doc_id, _ in sorted(others.items(), key=_by_count)[:max_documents])]
    namings = [
        Naming(doc_id, name, documents[name][doc_id])
        for doc_id in chosen
        for name in names
        if doc_id in documents[name]
    ]
    places = tuple(_find_place(graph, name) for name in names)
    return Neighbourhood(tuple(chosen), tuple(names), places, tuple(namings), tuple(_links(graph, names)))


def _leave_out_parts(names: Sequence[str], documents: dict[str, Counter[str]]) -> list[str]:
    """Names without those that stand only inside longer ones: "Selwick" where there is "Port Selwick"."""

    def is_part(name: str, other: str) -> bool:
        return name != other and f" {name} " in f" {other} " and documents[name].keys() <= documents[other].keys()

    return [name for name in names if not any(is_part(name, other) for other in names)]


def _find_place(graph: KnowledgeGraph, name: str) -> Provenance | None:
    for passage_id in graph.passages_naming(name)[:_MAX_TRIES]:
        for mention in graph.extraction(passage_id).mentions:
            if mention.entity == name and mention.source.end:
                return mention.source
    return None


def _links(graph: KnowledgeGraph, names: Sequence[str]) -> Iterable[Link]:
    for name in names:
        for claim in graph.claims_about(name)[:_MAX_CLAIMS_PER_NAME]:
            if claim[2] in names and claim[2] != name:
                yield Link(*claim, _claimants(graph, claim))


def _linked_names(graph: KnowledgeGraph, subject: str) -> list[str]:
    """The ends of the claims about a name, itself included; nothing where there are none."""
    return [part for claim in graph.claims_about(subject)[:_MAX_CLAIMS_PER_NAME] for part in (claim[0], claim[2])]


def _claimants(graph: KnowledgeGraph, claim: Claim) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source.doc_id for source in graph.sources(claim)))


def _count_names(graph: KnowledgeGraph, doc_ids: Iterable[str]) -> Counter[str]:
    """In how many passages of the documents each name stands; one in a title counts twice."""
    counts: Counter[str] = Counter()
    for doc_id in doc_ids:
        for passage_id in graph.document_passages(doc_id)[:_MAX_PASSAGES]:
            for name, is_title in dict(graph.named_in(passage_id)).items():
                counts[name] += 2 if is_title else 1
    return counts


def _documents_naming(graph: KnowledgeGraph, name: str) -> Counter[str]:
    """In how many passages each document names it."""
    passages = islice(graph.passages_naming(name), _MAX_PASSAGES)
    return Counter(map(graph.document, passages))


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
