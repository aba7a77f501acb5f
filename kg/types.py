"""The nouns of the knowledge graph. Every fact carries the place in the text it was read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.core.passages import Passage

Claim = tuple[str, str, str]
"""Subject, relation, object: a triple without its source."""


@dataclass(frozen=True, order=True, slots=True)
class Provenance:
    """Where a fact stands.

    Attributes:
        doc_id: document.
        passage_id: passage of that document.
        start, end: character span in the passage's text, end excluded; both 0 where the span is unknown or the
            fact stands in the title.
    """

    doc_id: str
    passage_id: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity named by a passage.

    Attributes:
        entity: the name in the graph's own spelling (:func:`kg.names.canonical`).
        source: where.
        is_title: the passage is about this entity, by its title.
    """

    entity: str
    source: Provenance
    is_title: bool = False


@dataclass(frozen=True, slots=True)
class Triple:
    """A claim: subject and object in the graph's spelling, the relation in the text's."""

    subject: str
    relation: str
    object: str
    source: Provenance

    @property
    def claim(self) -> Claim:
        """What is said, without who says it."""
        return self.subject, self.relation, self.object

    @property
    def text(self) -> str:
        """The claim as words, for embedding."""
        return f"{self.subject} {self.relation} {self.object}"


@dataclass(frozen=True, slots=True)
class Extraction:
    """All that one passage says.

    Attributes:
        rejected: what the extractor was offered and did not take, with the reason (a model's reply that is no JSON).
    """

    doc_id: str
    passage_id: str
    mentions: tuple[Mention, ...] = ()
    triples: tuple[Triple, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class RejectedRow:
    """A row of a triple file that was not taken; ``line`` counts from 1."""

    line: int
    reason: str


class Extractor(Protocol):
    """Reads entities and triples from passages.

    Implementations promise: one extraction per passage, in order, that depends on that passage's title and text
    alone. So passages can be added and removed at any time, and in any order, with the same graph as the result, and
    what was read once is kept (:mod:`retrievers.graph.store`).
    """

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same passage would be read differently; empty: keep nothing."""
        ...

    @property
    def batch_size(self) -> int:
        """Passages to hand over at once: what is read of them is kept together."""
        ...

    def extract(self, passages: Sequence[Passage]) -> list[Extraction]:
        """One extraction per passage, in their order."""
        ...
