"""From what a user names (files, folders, LangChain documents) to sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.documents import Document

from rag.core.errors import SourceError
from rag.core.reports import FailedSource
from rag.ingest.load import KNOWN_TYPES, LOADERS
from rag.ingest.parts import document_name, source_from_documents
from rag.ingest.source import Source
from rag.ingest.walk import walk

Item = str | Path | Document | Source
_BAD_NAME = "its name is not UTF-8; rename it"


@dataclass(frozen=True)
class Gathered:
    """What a person named.

    Attributes:
        sources: what can be read, each name once.
        failed: what cannot, with the reason.
        skipped: files of other types inside folders.
        left_out: links, pipes and sockets inside folders, with the reason.
        folders: the folders that were looked through.
    """

    sources: tuple[Source, ...]
    failed: tuple[FailedSource, ...]
    skipped: tuple[str, ...]
    left_out: tuple[FailedSource, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass
class _Found:
    """What is gathered so far."""

    sources: dict[str, Source | list[Document]] = field(default_factory=dict)
    failed: list[FailedSource] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    left_out: list[FailedSource] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def add_document(self, document: Document) -> None:
        name = document_name(document)
        before = self.sources.get(name)
        if isinstance(before, list):
            before.append(document)
        elif _is_text(name):
            self.sources[name] = [document]
        else:
            self.failed.append(FailedSource(_shown(name), _BAD_NAME))

    def add_file(self, path: Path) -> None:
        if _is_text(str(path)):
            self.sources[str(path)] = _from_file(path)
        else:
            self.failed.append(FailedSource(_shown(str(path)), _BAD_NAME))

    def add_folder(self, path: Path) -> None:
        below = walk(path)
        self.folders.append(str(path.resolve()))
        self.failed += [FailedSource(_shown(entry.source), entry.reason) for entry in below.failed]
        self.left_out += [FailedSource(_shown(entry.source), _shown(entry.reason)) for entry in below.left_out]
        for file in below.files:
            if _is_known(file):
                self.add_file(file)
            else:
                self.skipped.append(_shown(str(file)))


def gather(items: Iterable[Item]) -> Gathered:
    """Find what ``items`` name: files, folders (recursively, hidden entries left out), LangChain documents, sources.

    LangChain documents of one name are parts of one source, in their order. Of other sources of one name the last
    counts.
    """
    found = _Found()
    for item in items:
        if isinstance(item, Source):
            found.sources[item.name] = item
        elif isinstance(item, Document):
            found.add_document(item)
        else:
            _add_path(item, found)
    whole = (source_from_documents(each) if isinstance(each, list) else each for each in found.sources.values())
    return Gathered(
        tuple(whole), tuple(found.failed), tuple(found.skipped), tuple(found.left_out), tuple(found.folders)
    )


def _add_path(item: str | Path, found: _Found) -> None:
    try:
        path = Path(item).expanduser()
        if path.is_dir():
            found.add_folder(path)
        else:
            _check_file(path)
            found.add_file(path.resolve())
    except SourceError as error:
        found.failed.append(FailedSource(_shown(str(item)), str(error)))
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a NUL in it, no home, links in a circle
        reason = error.strerror if isinstance(error, OSError) else None
        found.failed.append(FailedSource(_shown(str(item)), reason or str(error)))


def _check_file(path: Path) -> None:
    """Refuse what cannot be read as a file.

    Raises:
        SourceError: it is not there, is a pipe, a socket or a device, or of an unknown type.
        OSError: the system cannot look at the path.
    """
    if not path.exists():
        raise SourceError("no such file or folder")
    if not path.is_file():  # a pipe, a socket or a device: reading it may never end
        raise SourceError("no regular file")
    if not _is_known(path):
        raise SourceError(f"unknown type {path.suffix or '(none)'!r}; known are {KNOWN_TYPES}")


def _shown(name: str) -> str:
    """``name`` as text that can be printed."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_known(file: Path) -> bool:
    return file.suffix.lower() in LOADERS


def _from_file(path: Path) -> Source:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}") from error

    return Source(str(path), read, path.suffix.lower())
