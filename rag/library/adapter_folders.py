"""Folders of adapters on disk: the files in one, writing it whole, and what such folders take.

An adapter's folder is an ordinary PEFT folder. A patch's folder has a manifest beside PEFT's two files.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.core.errors import StorageError
from rag.core.process.files import write_folder_atomically

WEIGHTS, CONFIG, MANIFEST = "adapter_model.safetensors", "adapter_config.json", "manifest.json"
PARTIAL = ".partial-"
_NAME_LENGTH = 32


@dataclass(frozen=True, order=True)
class Usage:
    """One adapter; the least recently used sorts first.

    Attributes:
        used_at: when it was used last, seconds since the epoch; 0 where that cannot be told.
        size_bytes: of its weights; 0 for a damaged one.
        name: its key, which is the name of its folder.
    """

    used_at: float
    size_bytes: int
    name: str


def find_folders(parent: Path) -> list[Usage]:
    """The adapters' folders below ``parent``, least recently used first."""
    return sorted(_measure(path) for path in list_folders(parent))


def list_folders(parent: Path) -> list[Path]:
    """Folders below ``parent`` whose names are keys, by name."""
    if not parent.is_dir():
        return []
    return sorted(Path(entry) for entry in os.scandir(parent) if len(entry.name) == _NAME_LENGTH and entry.is_dir())


def sum_bytes(items: Sequence[Usage]) -> int:
    """Bytes of all these adapters."""
    return sum(item.size_bytes for item in items)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``folder`` whole or not at all, safe against a power cut; an existing folder stays as it is.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    try:
        write_folder_atomically(folder, files, prefix=PARTIAL)
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise StorageError(f"cannot write patch {folder.name}: {what}; nothing of it was written") from error


def read_files(folder: Path) -> dict[str, bytes]:
    """The adapter's files by name; those that are missing are left out."""
    return {name: (folder / name).read_bytes() for name in (WEIGHTS, CONFIG, MANIFEST) if (folder / name).is_file()}


def remove_partial(parent: Path) -> None:
    """Remove what a killed process left half-written below ``parent``; the caller holds the writer's lock."""
    for leftover in parent.glob(f"{PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _measure(path: Path) -> Usage:
    try:
        # A use touches the manifest.
        return Usage((path / MANIFEST).stat().st_mtime, (path / WEIGHTS).stat().st_size, path.name)
    except OSError:
        return Usage(0.0, _size(path / WEIGHTS), path.name)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
