"""What extractors read, kept in the library: every passage is read once, and an interrupted reading is resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from kg.codec import from_bytes, to_bytes
from kg.types import Extraction, Extractor
from rag.core.errors import StorageError
from rag.core.passages import Passage
from rag.library.base import Library

IMPORTED = "imported"
"""Fingerprint of what was imported from files; it is part of every graph over the library."""
OnRead = Callable[[int], None]


def read_passages(
    library: Library, extractor: Extractor, rows: Mapping[int, Passage], on_read: OnRead | None = None
) -> list[Extraction]:
    """What ``extractor`` says of every passage, read now only where it is not kept yet.

    Args:
        library: keeps the extractions.
        extractor: reads passages.
        rows: passages by row id.
        on_read: told of the number of passages done, batch by batch.
    """
    found: list[Extraction] = []
    for some in batches(rows, extractor.batch_size):
        kept = kept_extractions(library, extractor.fingerprint, some) if extractor.fingerprint else {}
        new = {row_id: passage for row_id, passage in some.items() if row_id not in kept}
        read = dict(zip(new, extractor.extract(list(new.values())), strict=True))
        if read and extractor.fingerprint:
            _keep(library, extractor.fingerprint, read)
        found += (kept.get(row_id) or read[row_id] for row_id in some)
        if on_read:
            on_read(len(some))
    return found


def kept_extractions(library: Library, fingerprint: str, rows: Mapping[int, Passage]) -> dict[int, Extraction]:
    """What is kept of these passages, by row id; damaged entries are left out, to be read again."""
    kept = {}
    for row_id, body in library.extractions(fingerprint, list(rows)).items():
        try:
            kept[row_id] = from_bytes(body, rows[row_id])
        except ValueError:
            continue
    return kept


def import_extractions(library: Library, rows: Mapping[int, Passage], extractions: Sequence[Extraction]) -> int:
    """Keep imported extractions beside those imported before; the number of passages that got one."""
    by_passage: dict[str, list[Extraction]] = {}
    for extraction in extractions:
        by_passage.setdefault(extraction.passage_id, []).append(extraction)
    chosen = {row_id: passage for row_id, passage in rows.items() if passage.passage_id in by_passage}
    former = kept_extractions(library, IMPORTED, chosen)
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
        # It only saves time: a library on a full or read-only disk still answers.
        return


def batches(rows: Mapping[int, Passage], size: int) -> Iterator[dict[int, Passage]]:
    """``rows`` in parts of at most ``size``, in their order."""
    items = iter(rows.items())
    while some := dict(islice(items, size)):
        yield some
