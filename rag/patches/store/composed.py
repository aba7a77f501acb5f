"""Composed adapters on disk, for engines that load adapters from folders (:mod:`rag.core.process.leases`)."""

from __future__ import annotations

from pathlib import Path

from rag.core.process.leases import remove_unless_leased, writer_lock
from rag.library.adapter_folders import PARTIAL, find_folders, remove_partial, sum_bytes


def trim_composed(composed: Path, max_bytes: int) -> bool:
    """Remove the least recently used folders until the others take at most ``max_bytes``, except those in use.

    Also removes what killed processes left half-written.

    Returns:
        Whether the limit holds now.
    """
    if not composed.is_dir():
        return True
    with writer_lock(composed):
        remove_partial(composed)
        items = find_folders(composed)
        total = sum_bytes(items)
        for item in items:
            if total <= max_bytes:
                break
            if remove_unless_leased(composed / item.name, composed / f"{PARTIAL}{item.name}"):
                total -= item.size_bytes
    return total <= max_bytes
