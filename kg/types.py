"""The types of the knowledge graph. Every fact has its source, a span in the text of a passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.core.passages import Passage

Claim = tuple[str, str, str]
"""Subject, relation, object: a triple without its source."""


@dataclass(frozen=True, order=True, slots=True)
class Provenance:
    """The source of a fact.

    Attributes:
        doc_id: document.
        passage_id: passage of that document.
        start, end: character span in the passage's text, end excluded; both 0 if the span is unknown or the
            fact is in the title.
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
        source: where it is named.
        is_title: the title names the entity, so the passage is about it.
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
        """The triple without its source."""
        return self.subject, self.relation, self.object

    @property
    def text(self) -> str:
        """The claim as words, for embedding."""
        return f"{self.subject} {self.relation} {self.object}"


@dataclass(frozen=True, slots=True)
class Extraction:
    """Everything read from one passage.

    Attributes:
        rejected: reasons for what could not be used, such as a model's reply that is not JSON.
    """

    doc_id: str
    passage_id: str
    mentions: tuple[Mention, ...] = ()
    triples: tuple[Triple, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class RejectedRow:
    """A rejected row of a triple file; ``line`` counts from 1."""

    line: int
    reason: str


class Extractor(Protocol):
    """Reads entities and triples from passages.

    Implementations return one extraction per passage, in order, which depends only on the title and text of that
    passage. So passages can be added and removed at any time and in any order with the same graph as the result, and
    extractions can be stored (:mod:`retrievers.graph.store`).
    """

    @property
    def fingerprint(self) -> str:
        """Changes when the same passage would give another extraction; if empty, nothing is stored."""
        ...

    @property
    def batch_size(self) -> int:
        """Number of passages in one call; their extractions are stored together."""
        ...

    def extract(self, passages: Sequence[Passage]) -> list[Extraction]:
        """One extraction per passage, in their order."""
        ...
