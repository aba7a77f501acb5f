"""Files that are either whole or absent: written beside their place, flushed to disk, then renamed into it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``; once this returns, ``data`` survives a power cut.

    Readers see the former content or the new one, never a part of it. Only the owner may read the file. A process
    that is killed may leave ``.NAME-*`` beside it.

    Args:
        path: the file; its folder must exist.
        data: the whole content.

    Raises:
        OSError: the folder cannot be written, or the disk is full; ``path`` is unchanged.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, data)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_folder_atomically(folder: Path, files: Mapping[str, bytes], *, prefix: str = ".partial-") -> bool:
    """Make ``folder`` with ``files`` by name: all of them, or no folder at all.

    Args:
        folder: must not exist; its parent is made where it is missing.
        files: contents by file name.
        prefix: of the unfinished folder beside it, which a process that is killed may leave.

    Returns:
        False when another process made the folder first; its files stay.

    Raises:
        OSError: the parent cannot be written, or the disk is full; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        for name, data in files.items():
            with (partial / name).open("wb") as file:
                _write(file, data)
        sync_folder(partial)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            return False
        sync_folder(folder.parent)
        return True
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Have the names in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
