"""Folders that one process uses while another may want to remove them.

A user of a folder holds a shared lock on a file in it. Whoever removes folders takes the exclusive lock first, and
skips a folder whose lock it does not get. The system releases the locks of a process that dies.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

LEASE = ".lease"
_TIMEOUT_S = 60.0


def writer_lock(parent: Path) -> FileLock:
    """Held while folders are written or cleaned up below ``parent``."""
    parent.mkdir(parents=True, exist_ok=True)
    return FileLock(parent / ".lock", timeout=_TIMEOUT_S)


@contextmanager
def leased(folder: Path, write: Callable[[], object]) -> Iterator[None]:
    """Inside, ``folder`` exists and nobody removes it.

    Args:
        folder: what is used.
        write: makes the folder; called where it is missing.
    """
    import fcntl  # not on Windows, where no engine loads folders

    handle = None
    while handle is None:
        if not folder.is_dir():
            with writer_lock(folder.parent):
                write()
        handle = _lock(folder, fcntl.LOCK_SH)
    try:
        os.utime(folder / LEASE)  # when it was last used
        yield
    finally:
        os.close(handle)


def remove_unless_leased(folder: Path, trash: Path) -> bool:
    """Remove ``folder``, renamed to ``trash`` first so that no reader sees half of it; False where it is in use."""
    import fcntl

    handle = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if handle is None:
        return False
    try:
        folder.rename(trash)
    finally:
        os.close(handle)
    shutil.rmtree(trash, ignore_errors=True)
    return True


def _lock(folder: Path, kind: int) -> int | None:
    """A handle with the lock; ``None`` where the folder is gone, or another holds a lock that excludes this one."""
    import fcntl

    try:
        handle = os.open(folder / LEASE, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, kind)
        if os.path.samestat(os.fstat(handle), os.stat(folder / LEASE)):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass  # held by another, or removed while this one waited
    os.close(handle)
    return None
