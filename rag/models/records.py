"""Which folder a GGUF file was converted to.

The folder's name ends with the hash of the file's content. A small record by path, size and time of change finds it
again without reading gigabytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from rag.models.cache import cached_folders

_HASH_BYTES = 16 << 20


def hash_file(gguf: Path, advance: Callable[[float], None]) -> str:
    """SHA-256 of a file; ``advance`` gets the size of each share that was read."""
    digest, size = hashlib.sha256(), gguf.stat().st_size
    with gguf.open("rb") as file:
        while block := file.read(_HASH_BYTES):
            digest.update(block)
            advance(len(block) / size)
    return digest.hexdigest()


def name_folder(models: Path, gguf: Path, digest: str) -> Path:
    """The folder for a file of this name and content."""
    name = re.sub(r"[^\w.-]+", "-", gguf.name.removesuffix(".gguf")).strip(".-")[:100]
    return models / f"{name}-{digest[:12]}"


def find_folder(models: Path, digest: str) -> Path | None:
    """The folder of a file with this content, whatever the file was called."""
    return next((folder for folder in cached_folders(models) if folder.name.endswith(f"-{digest[:12]}")), None)


def _record(gguf: Path, models: Path) -> Path:
    return models / ".files" / f"{hashlib.sha256(os.fsencode(gguf.resolve())).hexdigest()[:16]}.json"


def _state(gguf: Path) -> list[int]:
    stat = gguf.stat()
    return [stat.st_size, stat.st_mtime_ns]


def converted_folder(gguf: Path, models: Path) -> Path | None:
    """The folder that this file was converted to, as long as the file is the same; ``None`` if it was not."""
    try:
        record = json.loads(_record(gguf, models).read_text(encoding="utf-8"))
        folder = models / str(record["folder"])
        return folder if record["state"] == _state(gguf) and folder.is_dir() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(gguf: Path, models: Path, folder: Path) -> None:
    """Write down which folder a file was converted to.

    A cache that cannot be written is no fault here: the file is hashed again the next time.
    """
    record = _record(gguf, models)
    try:
        record.parent.mkdir(exist_ok=True)
        partial = record.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"state": _state(gguf), "folder": folder.name}), encoding="utf-8")
        partial.replace(record)
    except OSError:
        return
