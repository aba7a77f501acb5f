"""Extractions in a tenth of the memory: a graph of 100,000 passages has millions of mentions."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from kg.types import Extraction, Mention, Provenance, Triple


@dataclass(frozen=True, slots=True)
class PackedExtraction:
    """The extraction of one passage, packed.

    Attributes:
        doc_id: document.
        names: every entity that it mentions, without repetitions.
        spans: four numbers for each mention: index in ``names``, whether it is in the title, start, end.
        triples, rejected: those of the extraction.
    """

    doc_id: str
    names: tuple[str, ...]
    spans: array[int]
    triples: tuple[Triple, ...]
    rejected: tuple[str, ...]

    @classmethod
    def pack(cls, extraction: Extraction) -> PackedExtraction:
        """Pack an extraction."""
        numbers: dict[str, int] = {}
        spans = array("I")
        for mention in extraction.mentions:
            number = numbers.setdefault(mention.entity, len(numbers))
            spans.extend((number, mention.is_title, mention.source.start, mention.source.end))
        return cls(extraction.doc_id, tuple(numbers), spans, extraction.triples, extraction.rejected)

    def unpack(self, passage_id: str) -> Extraction:
        """The extraction again; ``passage_id`` is not stored."""
        spans = zip(self.spans[::4], self.spans[1::4], self.spans[2::4], self.spans[3::4], strict=True)
        mentions = tuple(
            Mention(self.names[number], Provenance(self.doc_id, passage_id, start, end), bool(is_title))
            for number, is_title, start, end in spans
        )
        return Extraction(self.doc_id, passage_id, mentions, self.triples, self.rejected)

    def named(self) -> Iterator[tuple[str, bool]]:
        """The entity of every mention, and whether the mention is in the title."""
        for number, is_title in zip(self.spans[::4], self.spans[1::4], strict=True):
            yield self.names[number], bool(is_title)
