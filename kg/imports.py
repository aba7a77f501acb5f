"""Import entities and triples from a JSON-lines file. Bad rows are reported with their line numbers.

One row per passage or document::

    {"doc_id": "m0", "entities": ["Wiley"], "triples": [["Wiley", "published", "Adweek"]]}

``doc_id`` names a document by its doc_id or source, or a passage by its passage_id. One row may also be a bare
``[subject, relation, object]``; it belongs to the document that the caller names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kg.names import aliases, canonical, is_name
from kg.types import Claim, Extraction, Mention, Provenance, RejectedRow, Triple
from rag.core.errors import SourceError
from rag.core.passages import Passage


@dataclass(frozen=True)
class ImportReport:
    """The extractions of a triple file, in its order, and the rejected rows."""

    extractions: tuple[Extraction, ...]
    rejected: tuple[RejectedRow, ...]


def import_triples(path: str | Path, passages: Sequence[Passage] = (), doc_id: str = "") -> ImportReport:
    """Read a triple file.

    Args:
        path: the file, UTF-8, one JSON value a line; blank lines are skipped.
        passages: passages that rows may belong to. If there are any, a row about an unknown document is rejected and
            spans are looked up in the text. Otherwise every row is accepted and spans are unknown.
        doc_id: document of rows that are bare triples.

    Returns:
        The extractions, and everything rejected (rows, entities and triples) with line numbers.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise SourceError(
            f"cannot read the triple file {path}: {error.strerror}; expected a JSON-lines file"
        ) from error
    by_name = _passages_by_name(passages)
    extractions: list[Extraction] = []
    rejected: list[RejectedRow] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row, reasons = _row(line, doc_id)
            extractions += _extractions(row, by_name)
        except ValueError as error:
            reasons = [str(error)]
        rejected += [RejectedRow(number, reason) for reason in reasons]
    return ImportReport(tuple(extractions), tuple(rejected))


def _passages_by_name(passages: Sequence[Passage]) -> dict[str, list[Passage]]:
    by_name: dict[str, list[Passage]] = {}
    for passage in passages:
        for name in dict.fromkeys((passage.doc_id, passage.passage_id, passage.source)):
            by_name.setdefault(name, []).append(passage)
    return by_name


@dataclass(frozen=True)
class _Row:
    doc_id: str
    entities: list[str]
    triples: list[Claim]


def _row(line: bytes, doc_id: str) -> tuple[_Row, list[str]]:
    """One line, and the reasons why entities and triples of it are rejected.

    Raises:
        ValueError: the whole line is rejected.
    """
    row = _parse(line, doc_id)
    entities, triples, reasons = checked_items(row)
    name = row.get("doc_id")
    if name is None or name == "":
        raise ValueError("the row has no 'doc_id', which names its document")
    if not isinstance(name, str):
        raise ValueError(f"doc_id must be a string, not {str(name)[:60]!r}")
    return _Row(name, entities, triples), reasons


def checked_items(row: Mapping[str, Any]) -> tuple[list[str], list[Claim], list[str]]:
    """The entities and triples of a JSON object, and the reasons why others are rejected.

    Raises:
        ValueError: one of the two is not a list.
    """
    reasons: list[str] = []
    entities = [e for e in map(partial(_entity, reasons), _list(row, "entities")) if e is not None]
    triples = [t for t in map(partial(_claim, reasons), _list(row, "triples")) if t is not None]
    return entities, triples, reasons


def _extractions(row: _Row, by_name: Mapping[str, list[Passage]]) -> list[Extraction]:
    if not by_name:
        return [build_extraction(Passage(row.doc_id, row.doc_id, row.doc_id, "", ""), row.entities, row.triples)]
    if row.doc_id not in by_name:
        raise ValueError(f"doc_id {row.doc_id!r} names no passage of the library")
    passages = by_name[row.doc_id]
    texts = [canonical(f"{passage.title} {passage.text}") for passage in passages]
    entities: dict[int, list[str]] = {}
    triples: dict[int, list[Claim]] = {}
    for entity in row.entities:
        entities.setdefault(_holder(texts, (entity,)), []).append(entity)
    for claim in row.triples:
        triples.setdefault(_holder(texts, (claim[0], claim[2])), []).append(claim)
    return [
        build_extraction(passage, entities.get(i, []), triples.get(i, []))
        for i, passage in enumerate(passages)
        if i in entities or i in triples or len(passages) == 1
    ]


def _holder(texts: list[str], names: tuple[str, ...]) -> int:
    """Index of the text with the most names; the first one if several have."""
    return max(range(len(texts)), key=lambda i: (sum(canonical(name) in texts[i] for name in names), -i))


def _parse(line: bytes, doc_id: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if isinstance(row, list):
        return {"doc_id": doc_id, "triples": [row]}
    if not isinstance(row, dict):
        raise ValueError(f"a row must be an object or a list of three, not {type(row).__name__}")
    if not {"entities", "triples"} & row.keys():
        raise ValueError("a row needs 'entities', 'triples' or both")
    return row


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    value = row.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{key!r} must be a list, not {type(value).__name__}")
    return value


def _entity(reasons: list[str], item: object) -> str | None:
    if isinstance(item, str) and canonical(item):
        return item
    reasons.append(f"an entity must be a string with a word in it, not {str(item)[:60]!r}; left out")
    return None


def _claim(reasons: list[str], item: object) -> Claim | None:
    match item:
        case [str() as subject, str() as relation, str() as target] if all(map(canonical, (subject, relation, target))):
            return subject, relation, target
    reasons.append(f"a triple must be three strings with a word in each, not {str(item)[:60]!r}; left out")
    return None


def build_extraction(passage: Passage, entities: Sequence[str], triples: Sequence[Claim]) -> Extraction:
    """The extraction of ``passage`` from entities and triples, in the graph's spelling and with spans."""
    claims = tuple(
        Triple(canonical(s), r.strip(), canonical(o), _locate(passage, o if o in passage.text else s))
        for s, r, o in triples
    )
    return Extraction(
        passage.doc_id, passage.passage_id, tuple(dict.fromkeys(_mentions(passage, entities, triples))), claims
    )


def _mentions(passage: Passage, entities: Sequence[str], triples: Sequence[Claim]) -> Iterator[Mention]:
    for name in aliases(passage.title):
        yield Mention(name, Provenance(passage.doc_id, passage.passage_id), is_title=True)
    for name in (*entities, *(part for claim in triples for part in (claim[0], claim[2]))):
        if is_name(canonical(name)):
            yield Mention(canonical(name), _locate(passage, name))


def _locate(passage: Passage, words: str) -> Provenance:
    start = passage.text.find(words) if words else -1
    span = (start, start + len(words)) if start >= 0 else (0, 0)
    return Provenance(passage.doc_id, passage.passage_id, *span)
