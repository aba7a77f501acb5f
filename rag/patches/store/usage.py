"""What folders of adapters take on disk, and when each was used last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.generation.adapter_folder import WEIGHTS
from rag.patches.store.folder import MANIFEST

_NAME_LENGTH = 32


@dataclass(frozen=True, order=True)
class Usage:
    """One folder; the least recently used sorts first.

    Attributes:
        used_at: when it was used last, seconds since the epoch; 0 where that cannot be told.
        size_bytes: of its weights; 0 for a damaged folder.
        path: the folder.
    """

    used_at: float
    size_bytes: int
    path: Path


def find_folders(parent: Path) -> list[Usage]:
    """The adapters' folders below ``parent``, least recently used first."""
    return sorted(_measure(path) for path in list_folders(parent))


def list_folders(parent: Path) -> list[Path]:
    """Folders below ``parent`` whose names are keys, by name."""
    if not parent.is_dir():
        return []
    return sorted(Path(entry) for entry in os.scandir(parent) if len(entry.name) == _NAME_LENGTH and entry.is_dir())


def sum_bytes(items: Sequence[Usage]) -> int:
    """Bytes of all these folders."""
    return sum(item.size_bytes for item in items)


def _measure(path: Path) -> Usage:
    try:
        # A use touches the manifest.
        return Usage((path / MANIFEST).stat().st_mtime, (path / WEIGHTS).stat().st_size, path)
    except OSError:
        return Usage(0.0, _size(path / WEIGHTS), path)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
