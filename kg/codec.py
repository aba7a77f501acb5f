"""Extractions as bytes, for storing in a library: names, spans and claims. The passage's ids are not repeated."""

from __future__ import annotations

import json
import sys
import zlib
from typing import Any

from kg.types import Extraction, Mention, Provenance, Triple
from rag.core.passages import Passage


def to_bytes(extraction: Extraction) -> bytes:
    """Compressed JSON: ``n`` names, ``m`` mentions (name, start, end), ``t`` titles, ``c`` claims, ``r`` rejected."""
    numbers: dict[str, int] = {}
    mentions: list[int] = []
    titles: list[int] = []
    for mention in extraction.mentions:
        number = numbers.setdefault(mention.entity, len(numbers))
        if mention.is_title:
            titles.append(number)
        else:
            mentions += number, mention.source.start, mention.source.end
    claims = [[*triple.claim, triple.source.start, triple.source.end] for triple in extraction.triples]
    fields = {"n": list(numbers), "m": mentions, "t": titles, "c": claims, "r": extraction.rejected}
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode(), 1)


def from_bytes(body: bytes, passage: Passage) -> Extraction:
    """The extraction of ``passage``.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        return _extraction(json.loads(zlib.decompress(body)), passage)
    except (zlib.error, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"the stored extraction is damaged: {error}") from None


def _extraction(fields: dict[str, Any], passage: Passage) -> Extraction:
    doc_id, passage_id = passage.doc_id, passage.passage_id
    # Interned, because the same names occur in thousands of passages.
    names = [sys.intern(name) for name in fields["n"]]
    spans = fields["m"]
    whole = Provenance(doc_id, passage_id)
    titles = [Mention(names[i], whole, is_title=True) for i in fields["t"]]
    mentions = [
        Mention(names[i], Provenance(doc_id, passage_id, start, end))
        for i, start, end in zip(spans[::3], spans[1::3], spans[2::3], strict=True)
    ]
    triples = tuple(
        Triple(sys.intern(s), sys.intern(r), sys.intern(o), Provenance(doc_id, passage_id, start, end))
        for s, r, o, start, end in fields["c"]
    )
    return Extraction(doc_id, passage_id, (*titles, *mentions), triples, tuple(fields["r"]))


def is_readable(body: bytes, text: str) -> bool:
    """Whether ``body`` is an extraction whose spans lie within the passage's ``text``."""
    try:
        extraction = from_bytes(body, Passage("", "", "", "", text))
    except ValueError:
        return False
    sources = [mention.source for mention in extraction.mentions] + [triple.source for triple in extraction.triples]
    return all(0 <= source.start <= source.end <= len(text) for source in sources)
