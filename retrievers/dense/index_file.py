"""The file of a vector index: one line about it, then the index as FAISS writes it.

It only saves time. A file that is missing, damaged, or of another library counts as none; its checksum is looked at
before FAISS sees a byte, since FAISS may bring the process down over a damaged index.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

import numpy as np

from retrievers.dense.vector_index import IndexInfo, VectorIndex

_MAGIC = b"concord vector index 1\n"


class IndexFileError(ValueError):
    """Why a file is of no use; never leaves this engine, since the index is made again then."""


def save(index: VectorIndex, file: Path) -> bool:
    """Replace ``file`` atomically; False on a full or read-only disk, which changes nothing."""
    import faiss

    payload = faiss.serialize_index(index.index).tobytes()
    head = asdict(index.info) | {"num_passages": index.index.ntotal, "size_bytes": len(payload), "crc": crc32(payload)}
    try:
        handle, partial = tempfile.mkstemp(prefix=".dense-", dir=file.parent)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(_MAGIC + json.dumps(head).encode() + b"\n" + payload)
        os.replace(partial, file)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        return False
    for former in file.parent.glob("dense-*.faiss"):  # as earlier versions named it
        former.unlink(missing_ok=True)
    return True


def read(file: Path, library: str) -> VectorIndex:
    """The index in ``file``, of the library with this identity.

    Raises:
        IndexFileError: missing, damaged or of another library.
    """
    import faiss

    try:
        content = file.read_bytes()
    except OSError as error:
        raise IndexFileError(f"cannot be read: {error.strerror}") from None
    head, _, payload = content.removeprefix(_MAGIC).partition(b"\n")
    try:
        fields = json.loads(head)
        size, crc = fields.pop("size_bytes"), fields.pop("crc")
        fields.pop("num_passages")
        info = IndexInfo(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise IndexFileError("it is no vector index of this version") from None
    if len(payload) != size or crc32(payload) != crc:
        raise IndexFileError("it is damaged: its checksum differs")
    if info.library != library:
        raise IndexFileError("it was made from another library")
    return VectorIndex(faiss.deserialize_index(np.frombuffer(payload, dtype=np.uint8)), info)


def size_bytes(index: VectorIndex) -> int:
    """What an index takes, in memory as on disk."""
    import faiss

    return int(faiss.serialize_index(index.index).nbytes)
