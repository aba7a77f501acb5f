"""From what a user names (files, folders, LangChain documents) to sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from langchain_core.documents import Document

from rag.core.errors import SourceError
from rag.core.reports import FailedSource
from rag.ingest.load import KNOWN_TYPES, LOADERS
from rag.ingest.source import Source


@dataclass(frozen=True)
class Gathered:
    """Sources by name, what could not be found, and files of other types inside folders."""

    sources: tuple[Source, ...]
    failed: tuple[FailedSource, ...]
    skipped: tuple[str, ...]


def gather(items: Iterable[str | Path | Document | Source]) -> Gathered:
    """Find what ``items`` name: files, folders (recursively, hidden entries left out), LangChain documents, sources.

    The last of several sources of one name counts.
    """
    sources: dict[str, Source] = {}
    failed: list[FailedSource] = []
    skipped: list[str] = []
    for item in items:
        if isinstance(item, (Source, Document)):
            source = item if isinstance(item, Source) else _from_document(item)
            sources[source.name] = source
            continue
        try:
            files, other = _find_files(Path(item).expanduser())
        except (OSError, SourceError) as error:  # a name too long for the system, a folder that may not be read
            reason = str(error) if isinstance(error, SourceError) else error.strerror or str(error)
            failed.append(FailedSource(str(item), reason))
            continue
        named = [file for file in files if _is_text(str(file))]
        sources |= {str(file): _from_file(file) for file in named}
        failed += [FailedSource(str(file), "its name is not UTF-8; rename it") for file in files if file not in named]
        skipped += map(str, other)
    return Gathered(tuple(sources.values()), tuple(failed), tuple(skipped))


def _find_files(path: Path) -> tuple[list[Path], list[Path]]:
    """The files that ``path`` names, and files of other types inside a folder.

    Raises:
        SourceError: there is nothing that can be read.
        OSError: the system cannot look at the path.
    """
    if path.is_dir():
        files = list(_walk(path))
        return [file for file in files if _is_known(file)], [file for file in files if not _is_known(file)]
    if not path.exists():
        raise SourceError("no such file or folder")
    if not path.is_file():  # a pipe, a socket or a device: reading it may never end
        raise SourceError("no regular file")
    if not _is_known(path):
        raise SourceError(f"unknown type {path.suffix or '(none)'!r}; known are {KNOWN_TYPES}")
    return [path.resolve()], []


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_known(file: Path) -> bool:
    return file.suffix.lower() in LOADERS


def _walk(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for path in sorted(root.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.is_file() and not is_hidden:
            yield path


def _from_file(path: Path) -> Source:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}") from error

    return Source(str(path), read, path.suffix.lower())


def _from_document(document: Document) -> Source:
    content = document.page_content.encode()
    name = document.metadata.get("source") or document.metadata.get("doc_id") or document.id
    name = str(name or f"text:{hashlib.sha256(content).hexdigest()[:16]}")
    return Source(name, lambda: content, ".txt", str(document.metadata.get("title", "")))
