"""An extraction in a tenth of the memory: a graph of 100,000 passages holds millions of mentions."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from kg.types import Extraction, Mention, Provenance, Triple


@dataclass(frozen=True, slots=True)
class PackedExtraction:
    """What one passage says.

    Attributes:
        doc_id: document.
        names: every entity that it mentions, once.
        places: four numbers a mention: its name's position in ``names``, whether it is by the title, start, end.
        triples: as they were.
        rejected: as it was.
    """

    doc_id: str
    names: tuple[str, ...]
    places: array[int]
    triples: tuple[Triple, ...]
    rejected: tuple[str, ...]

    @classmethod
    def pack(cls, extraction: Extraction) -> PackedExtraction:
        """The same, packed."""
        numbers: dict[str, int] = {}
        places = array("I")
        for mention in extraction.mentions:
            number = numbers.setdefault(mention.entity, len(numbers))
            places.extend((number, mention.is_title, mention.source.start, mention.source.end))
        return cls(extraction.doc_id, tuple(numbers), places, extraction.triples, extraction.rejected)

    def unpack(self, passage_id: str) -> Extraction:
        """The same, unpacked."""
        places = zip(self.places[::4], self.places[1::4], self.places[2::4], self.places[3::4], strict=True)
        mentions = tuple(
            Mention(self.names[number], Provenance(self.doc_id, passage_id, start, end), bool(is_title))
            for number, is_title, start, end in places
        )
        return Extraction(self.doc_id, passage_id, mentions, self.triples, self.rejected)

    def named(self) -> Iterator[tuple[str, bool]]:
        """Every mention's entity, and whether the passage is about it by its title."""
        for number, is_title in zip(self.places[::4], self.places[1::4], strict=True):
            yield self.names[number], bool(is_title)
