"""What the engine reports about a library: what an ``add`` did, and which documents it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FailedSource:
    """A source that could not be added, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class MovedSource:
    """A file that is known again by its content under a new name."""

    source: str
    former: str


@dataclass(frozen=True)
class CopiedSource:
    """A file with exactly the content of another one."""

    source: str
    original: str


@dataclass(frozen=True)
class AddCost:
    """What an ``add`` took.

    Attributes:
        seconds: wall time.
        num_embedded: passages that it embedded.
        num_resumed: documents that an interrupted ``add`` had embedded already.
        bytes_per_passage: what the library takes on disk, over all its passages.
        embed_seconds: the part of ``seconds`` in which passages were embedded; loading the model is not in it.
    """

    seconds: float = 0.0
    num_embedded: int = 0
    num_resumed: int = 0
    bytes_per_passage: float = 0.0
    embed_seconds: float = 0.0


@dataclass(frozen=True)
class AddReport:
    """What :meth:`rag.engine.Engine.add` did, by source.

    Attributes:
        failed: sources that could not be read, with the reason.
        skipped: files of unknown types inside the given folders.
        left_out: links, pipes and sockets inside the given folders, with the reason.
        moved: files that were added under a new name; their former documents were removed.
        copies: files with the content of another document; both are in the library.
        gone: documents below the given folders whose file is gone; they are still in the library.
        removed: the same, where the library was to follow its folders (``sync``).
        notes: what the person should know about what was read, such as a language that the encoder cannot read.
        num_passages: passages in the library afterwards.
        num_new_passages: by how many that grew (negative when replacements are shorter).
        cost: time and space.
    """

    added: Sequence[str] = ()
    replaced: Sequence[str] = ()
    unchanged: Sequence[str] = ()
    failed: Sequence[FailedSource] = ()
    skipped: Sequence[str] = ()
    left_out: Sequence[FailedSource] = ()
    moved: Sequence[MovedSource] = ()
    copies: Sequence[CopiedSource] = ()
    gone: Sequence[str] = ()
    removed: Sequence[str] = ()
    notes: Sequence[str] = ()
    num_passages: int = 0
    num_new_passages: int = 0
    cost: AddCost = AddCost()

    @property
    def num_read(self) -> int:
        """Sources that could be read."""
        return len(self.added) + len(self.replaced) + len(self.unchanged) + len(self.moved)


@dataclass(frozen=True)
class DocumentInfo:
    """One line of ``concord ls``.

    Attributes:
        added_at: ISO 8601.
        date: as the document states it; empty where it states none.
    """

    doc_id: str
    source: str
    title: str
    num_passages: int
    size_chars: int
    added_at: str
    date: str = ""
