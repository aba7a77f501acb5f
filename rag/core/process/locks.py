"""Locks between processes that share folders. The system releases those of a process that dies."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

_TIMEOUT_S = 60.0


def writer_lock(parent: Path) -> FileLock:
    """Held while folders are written or cleaned up below ``parent``."""
    parent.mkdir(parents=True, exist_ok=True)
    return FileLock(parent / ".lock", timeout=_TIMEOUT_S)
