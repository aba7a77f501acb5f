"""The file of a vector index: one line about it, then the index as FAISS writes it.

It only saves time. A file that is missing, damaged, or of another library counts as none. Its checksum is compared
before FAISS reads a byte, since a damaged index may end the process inside FAISS.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

import numpy as np

from rag.core.process.files import write_atomically
from rag.library.sqlite.vector_index import IndexInfo, VectorIndex

INDEX_FILE = "dense.faiss"
# What a process that was killed may have left, in this version and in earlier ones.
UNFINISHED = (f".{INDEX_FILE}-*", ".dense-*")
_MAGIC = b"concord vector index 1\n"


class IndexFileError(ValueError):
    """Why a file cannot be used; never leaves this package, since the index is made again then."""


def save_index(index: VectorIndex, file: Path) -> bool:
    """Replace ``file`` atomically; False on a full or read-only disk, which changes nothing."""
    import faiss

    payload = faiss.serialize_index(index.index).tobytes()
    head = asdict(index.info) | {"num_passages": index.index.ntotal, "size_bytes": len(payload), "crc": crc32(payload)}
    try:
        write_atomically(file, _MAGIC + json.dumps(head).encode() + b"\n" + payload)
    except OSError:
        return False
    for former in file.parent.glob("dense-*.faiss"):  # as earlier versions named it
        former.unlink(missing_ok=True)
    return True


def read_index(file: Path, library: str) -> VectorIndex:
    """The index in ``file``, of the library with this identity.

    Raises:
        IndexFileError: missing, damaged or of another library.
    """
    import faiss

    try:
        with file.open("rb") as stream:
            magic, head = stream.readline(), stream.readline()
            payload = np.fromfile(stream, dtype=np.uint8)
    except OSError as error:
        raise IndexFileError(f"cannot be read: {error.strerror}") from None
    if magic != _MAGIC:
        raise IndexFileError("it is no vector index of this version")
    try:
        fields = json.loads(head)
        size, crc = fields.pop("size_bytes"), fields.pop("crc")
        fields.pop("num_passages")
        info = IndexInfo(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise IndexFileError("it is no vector index of this version") from None
    if len(payload) != size or crc32(payload.data) != crc:
        raise IndexFileError("it is damaged: its checksum differs")
    if info.library != library:
        raise IndexFileError("it was made from another library")
    return VectorIndex(faiss.deserialize_index(payload), info)


def index_size_bytes(index: VectorIndex) -> int:
    """Size of an index, in memory as on disk."""
    import faiss

    return int(faiss.serialize_index(index.index).nbytes)
