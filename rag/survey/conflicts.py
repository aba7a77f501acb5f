"""What contradicts what in a library."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rag.conflicts.library.checkpoint import FILE_NAME, Checkpoint
from rag.conflicts.library.search import LibraryConflict, find_library_conflicts
from rag.core.passages import Passage
from rag.engine import Engine
from rag.library.base import Library

Report = Callable[[int, int], None]
_ROWS = 1000


def compare_library(engine: Engine, report: Report | None = None) -> list[LibraryConflict]:
    """Every contradiction between the documents of a library, surest first. No model is needed.

    An interrupted comparison of a library in a folder goes on where it was.

    Args:
        engine: over the library.
        report: is told how many sentences of how many were compared.
    """
    folder = engine.library.folder
    checkpoint = Checkpoint(folder / FILE_NAME, library_stamp(engine.library)) if folder else None
    return find_library_conflicts(read_passages(engine.library), engine.graph.graph, report, checkpoint)


def library_stamp(library: Library) -> str:
    """Changes when the content of a library does."""
    return f"{library.identity} {library.generation}"


def read_passages(library: Library) -> Iterator[Passage]:
    """Every passage of a library, a document's passages in their order."""
    ids = library.live_ids()[0].tolist()
    for first in range(0, len(ids), _ROWS):
        yield from library.passages(ids[first : first + _ROWS]).values()
