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
    notes: Sequence[str] = ()
    num_passages: int = 0
    num_new_passages: int = 0
    cost: AddCost = AddCost()


@dataclass(frozen=True)
class DocumentInfo:
    """One line of ``concord ls``."""

    doc_id: str
    source: str
    title: str
    num_passages: int
    size_chars: int
    added_at: str
