"""The knowledge graph. Passages are added and removed one by one, and every edge counts its sources.

Everything stored belongs to a passage: an edge exists as long as one passage supports it. So removing a document
removes exactly what no other document says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from kg.packed import PackedExtraction
from kg.types import Claim, Extraction, Provenance, Triple

if TYPE_CHECKING:
    import networkx as nx

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


class KnowledgeGraph:
    """Entities, claims and passages with their sources. Iteration follows the order of adding."""

    def __init__(self, extractions: Iterable[Extraction] = ()) -> None:
        self._passages: dict[str, PackedExtraction] = {}
        self._by_document: dict[str, dict[str, None]] = {}
        # The passages that support each edge (a dict as an ordered set). An edge is removed with the last of them.
        self._mentions: dict[str, dict[str, None]] = {}
        self._claims: dict[Claim, dict[str, None]] = {}
        self._by_subject: dict[str, dict[Claim, None]] = {}
        self.add(extractions)

    def add(self, extractions: Iterable[Extraction]) -> None:
        """Add extractions. They are merged into those of passages that are already in the graph.

        Extractions of one passage are merged before packing, so the cost depends only on what is added.
        """
        parts: dict[str, list[Extraction]] = {}
        for extraction in extractions:
            parts.setdefault(extraction.passage_id, []).append(extraction)
        for passage_id, new_parts in parts.items():
            old = self._passages.get(passage_id)
            new = _merge(new_parts if old is None else [old.unpack(passage_id), *new_parts])
            if old is not None:
                self._forget(passage_id)
            packed = self._passages[new.passage_id] = PackedExtraction.pack(new)
            self._by_document.setdefault(new.doc_id, {})[new.passage_id] = None
            for name in packed.names:
                self._mentions.setdefault(name, {})[new.passage_id] = None
            for triple in new.triples:
                self._claims.setdefault(triple.claim, {})[new.passage_id] = None
                self._by_subject.setdefault(triple.subject, {})[triple.claim] = None

    def remove_document(self, doc_id: str) -> None:
        """Remove a document's passages and what only they support. An unknown document changes nothing."""
        self.remove_passages(list(self._by_document.get(doc_id, ())))

    def remove_passages(self, passage_ids: Iterable[str]) -> None:
        """Remove passages and what only they support. The cost depends on them, not on the size of the graph."""
        for passage_id in passage_ids:
            if passage_id in self._passages:
                self._forget(passage_id)

    @property
    def passage_ids(self) -> tuple[str, ...]:
        """Every passage that was added."""
        return tuple(self._passages)

    @property
    def entities(self) -> tuple[str, ...]:
        """Every entity in a mention or a claim, sorted."""
        claimed = {part for subject, _, target in self._claims for part in (subject, target)}
        return tuple(sorted(claimed | self._mentions.keys()))

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every distinct (subject, relation, object)."""
        return tuple(self._claims)

    def extraction(self, passage_id: str) -> Extraction:
        """The extraction of one passage; empty for an unknown passage."""
        packed = self._passages.get(passage_id)
        return Extraction("", passage_id) if packed is None else packed.unpack(passage_id)

    def named_in(self, passage_id: str) -> Iterator[tuple[str, bool]]:
        """Every entity that one passage mentions, and whether its title does."""
        packed = self._passages.get(passage_id)
        return iter(()) if packed is None else packed.named()

    def document(self, passage_id: str) -> str:
        """The doc_id of a passage; empty for an unknown one."""
        packed = self._passages.get(passage_id)
        return "" if packed is None else packed.doc_id

    def document_passages(self, doc_id: str) -> tuple[str, ...]:
        """The passages of a document that were added."""
        return tuple(self._by_document.get(doc_id, ()))

    def passages_naming(self, entity: str) -> tuple[str, ...]:
        """The passages that name an entity."""
        return tuple(self._mentions.get(entity, ()))

    def claims_about(self, subject: str) -> tuple[Claim, ...]:
        """Every distinct claim about a subject."""
        return tuple(self._by_subject.get(subject, ()))

    def support(self, claim: Claim) -> int:
        """Number of passages that make a claim."""
        return len(self._claims.get(claim, ()))

    def sources(self, claim: Claim) -> tuple[Provenance, ...]:
        """Every place that makes a claim."""
        return tuple(
            triple.source
            for passage_id in self._claims.get(claim, ())
            for triple in self._passages[passage_id].triples
            if triple.claim == claim
        )

    def triples(self) -> Iterator[Triple]:
        """Every triple of every passage, repeated claims included."""
        for extraction in list(self._passages.values()):  # another thread may bring the graph up to date meanwhile
            yield from extraction.triples

    def to_networkx(self) -> nx.MultiDiGraph:
        """The graph for networkx.

        Nodes are ``("entity", name)`` and ``("passage", passage_id)``. Edges: passage to entity with key
        ``"mentions"``, entity to entity with the relation as key; each carries ``sources`` (provenances) and
        ``weight`` (how many passages support it).
        """
        import networkx as nx

        graph = nx.MultiDiGraph()
        graph.add_nodes_from(("passage", passage_id) for passage_id in self._passages)
        graph.add_nodes_from(("entity", name) for name in self.entities)
        for passage_id in self._passages:
            extraction = self.extraction(passage_id)
            for entity in dict.fromkeys(mention.entity for mention in extraction.mentions):
                sources = tuple(mention.source for mention in extraction.mentions if mention.entity == entity)
                graph.add_edge(("passage", passage_id), ("entity", entity), "mentions", sources=sources, weight=1)
        for subject, relation, target in self._claims:
            claim = (subject, relation, target)
            edge = {"sources": self.sources(claim), "weight": self.support(claim)}
            graph.add_edge(("entity", subject), ("entity", target), relation, **edge)
        return graph

    def _forget(self, passage_id: str) -> None:
        old = self._passages.pop(passage_id)
        self._by_document[old.doc_id].pop(passage_id)
        if not self._by_document[old.doc_id]:
            del self._by_document[old.doc_id]
        for name in old.names:
            _drop(self._mentions, name, passage_id)
        for triple in old.triples:
            _drop(self._claims, triple.claim, passage_id)
            if triple.claim not in self._claims:
                _drop(self._by_subject, triple.subject, triple.claim)


def _drop(table: dict[_Key, dict[_Item, None]], key: _Key, item: _Item) -> None:
    """Remove an item from a key, and the key with its last item."""
    items = table.get(key, {})
    items.pop(item, None)
    if not items:
        table.pop(key, None)


def _merge(parts: Sequence[Extraction]) -> Extraction:
    """All extractions of one passage as one, without repetitions."""
    if len(parts) == 1:
        return parts[0]
    mentions = dict.fromkeys(mention for part in parts for mention in part.mentions)
    triples = dict.fromkeys(triple for part in parts for triple in part.triples)
    return Extraction(parts[0].doc_id, parts[0].passage_id, tuple(mentions), tuple(triples))
