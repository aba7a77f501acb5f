"""Extractions in the library: each passage is read once, and interrupted reading continues where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from kg.codec import from_bytes, to_bytes
from kg.types import Extraction, Extractor
from rag.core.errors import StorageError
from rag.core.passages import Passage
from rag.library.base import IMPORTED, Library

OnRead = Callable[[int], None]


def read_passages(
    library: Library, extractor: Extractor, rows: Mapping[int, Passage], on_read: OnRead | None = None
) -> list[Extraction]:
    """The extraction of every passage; only those that are not stored yet are read now.

    Args:
        library: stores the extractions.
        extractor: reads passages.
        rows: passages by row id.
        on_read: called with the number of passages of each batch that is done.
    """
    extractions: list[Extraction] = []
    for batch in batches(rows, extractor.batch_size):
        stored = stored_extractions(library, extractor.fingerprint, batch) if extractor.fingerprint else {}
        new = {row_id: passage for row_id, passage in batch.items() if row_id not in stored}
        read = dict(zip(new, extractor.extract(list(new.values())), strict=True))
        if read and extractor.fingerprint:
            _keep(library, extractor.fingerprint, read)
        extractions += (stored.get(row_id) or read[row_id] for row_id in batch)
        if on_read:
            on_read(len(batch))
    return extractions


def stored_extractions(library: Library, fingerprint: str, rows: Mapping[int, Passage]) -> dict[int, Extraction]:
    """Stored extractions of these passages, by row id. Damaged ones are left out, so that they are read again."""
    stored = {}
    for row_id, body in library.extractions(fingerprint, list(rows)).items():
        try:
            stored[row_id] = from_bytes(body, rows[row_id])
        except ValueError:
            continue
    return stored


def import_extractions(library: Library, rows: Mapping[int, Passage], extractions: Sequence[Extraction]) -> int:
    """Store imported extractions in addition to earlier ones. Returns the number of passages that got one."""
    by_passage: dict[str, list[Extraction]] = {}
    for extraction in extractions:
        by_passage.setdefault(extraction.passage_id, []).append(extraction)
    chosen = {row_id: passage for row_id, passage in rows.items() if passage.passage_id in by_passage}
    former = stored_extractions(library, IMPORTED, chosen)
    bodies = {}
    for row_id, passage in chosen.items():
        parts = [*([former[row_id]] if row_id in former else []), *by_passage[passage.passage_id]]
        mentions = tuple(dict.fromkeys(mention for part in parts for mention in part.mentions))
        triples = tuple(dict.fromkeys(triple for part in parts for triple in part.triples))
        bodies[row_id] = to_bytes(Extraction(passage.doc_id, passage.passage_id, mentions, triples))
    library.keep_extractions(IMPORTED, bodies, is_import=True)
    return len(bodies)


def _keep(library: Library, fingerprint: str, read: Mapping[int, Extraction]) -> None:
    try:
        library.keep_extractions(fingerprint, {row_id: to_bytes(item) for row_id, item in read.items()})
    except StorageError:
        # Storing only saves time: a library on a full or read-only disk still answers.
        return


def batches(rows: Mapping[int, Passage], size: int) -> Iterator[dict[int, Passage]]:
    """``rows`` in batches of at most ``size``, in their order."""
    items = iter(rows.items())
    while batch := dict(islice(items, size)):
        yield batch
