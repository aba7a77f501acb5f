"""Extractors without a model: names by capitals and titles, and triples from a file.

On MuSiQue the graph retriever ranks as well with these names as with the entities that a large model extracted (see
``benchmarks/retrieval.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kg.claims import claims_in
from kg.names import aliases, names_in
from kg.types import Extraction, Mention, Provenance
from rag.core.passages import Passage


class NameExtractor:
    """Names by capitals and titles, and definite claims (:mod:`kg.claims`); contract of :class:`kg.types.Extractor`.

    Source: ours, after the graph retrieval variants without relation extraction (entities, containment, PageRank).
    """

    # Raise the number when the same passage gives another extraction; tests/kg/test_extract.py fails if you forget.
    fingerprint = "names-2"
    batch_size = 256

    def extract(self, passages: Sequence[Passage]) -> list[Extraction]:
        """One extraction per passage."""
        return [
            Extraction(
                passage.doc_id,
                passage.passage_id,
                tuple(dict.fromkeys(_mentions(passage))),
                tuple(dict.fromkeys(claims_in(passage))),
            )
            for passage in passages
        ]


class ImportedExtractor:
    """Extractions from a triple file, by the passages they belong to; contract of :class:`kg.types.Extractor`.

    The benchmarks use it to compare with the published triples of a large model; the engine keeps imported triples in
    the library (:func:`retrievers.graph.store.import_extractions`).
    """

    fingerprint = ""
    batch_size = 256

    def __init__(self, extractions: Iterable[Extraction]) -> None:
        self._by_passage: dict[str, list[Extraction]] = {}
        for extraction in extractions:
            self._by_passage.setdefault(extraction.passage_id, []).append(extraction)

    def extract(self, passages: Sequence[Passage]) -> list[Extraction]:
        """One extraction per passage; empty where the file has nothing about it."""
        return [self._merge(passage) for passage in passages]

    def _merge(self, passage: Passage) -> Extraction:
        rows = self._by_passage.get(passage.passage_id, ())
        mentions = tuple(dict.fromkeys(mention for row in rows for mention in row.mentions))
        triples = tuple(dict.fromkeys(triple for row in rows for triple in row.triples))
        return Extraction(passage.doc_id, passage.passage_id, mentions, triples)


def _mentions(passage: Passage) -> Iterator[Mention]:
    whole = Provenance(passage.doc_id, passage.passage_id)
    for name in aliases(passage.title):
        yield Mention(name, whole, is_title=True)
    for span in names_in(passage.text):
        yield Mention(span.name, Provenance(passage.doc_id, passage.passage_id, span.start, span.end))
