"""Which passages a vector store was given; kept with the library, since no vector store can be asked for all it has."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from zlib import compress, decompress

import numpy as np

from rag.library.base import Library, RowIds

_NAME = "vector-store"


@dataclass(frozen=True)
class Record:
    """What a vector store was given.

    Attributes:
        store: name of its class.
        generation: of the library that it was brought up to.
        ids: row ids ``[N]`` that it was given, ascending.
        is_complete: whether the last writing came to its end; otherwise it may have more than ``ids``.
    """

    store: str
    generation: int = -1
    ids: RowIds = field(default_factory=lambda: np.zeros(0, np.int64))
    is_complete: bool = True


def read_record(library: Library, store: str) -> Record:
    """The record of this kind of store; an empty one where another store was written to, or none."""
    body = library.report_store().read(_NAME)
    if body is None:
        return Record(store)
    row = json.loads(body)
    if row["store"] != store:
        return Record(store)
    ids = np.frombuffer(decompress(b64decode(row["ids"])), dtype="<i8").cumsum().astype(np.int64)
    return Record(store, row["generation"], ids, row["is_complete"])


def write_record(library: Library, record: Record) -> None:
    """Keep a record; it replaces the former one.

    Raises:
        StorageError: the disk is full, or the server is out of reach.
    """
    steps = np.diff(record.ids, prepend=0).astype("<i8").tobytes()
    row = {
        "store": record.store,
        "generation": record.generation,
        "is_complete": record.is_complete,
        "ids": b64encode(compress(steps)).decode(),
    }
    library.report_store().write(_NAME, json.dumps(row).encode())
