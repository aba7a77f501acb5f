"""What a client sends when it adds documents, and the reports of several additions as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from rag.core.errors import SourceError
from rag.core.passages import document_location
from rag.core.reports import AddCost, AddReport, DocumentInfo, FailedSource
from rag.ingest.follow import is_below, is_file_gone
from rag.ingest.gather import Gathered, gather
from rag.ingest.parts import document_name
from rag.ingest.source import Source

_COUNTS = ("seconds", "num_embedded", "num_resumed", "embed_seconds")
_LISTS = tuple(field.name for field in fields(AddReport) if isinstance(field.default, tuple))
# Of one request; a service takes 1,000 files and 50 MB by default.
_MAX_FILES = 500
_MAX_BYTES = 32 * 2**20
_MAX_TEXTS = 500


@dataclass(frozen=True)
class Upload:
    """One file that is to be sent: the name that it gets in the library, how to read it, and its size in bytes."""

    name: str
    source: Source
    size: int = 0


@dataclass(frozen=True)
class Uploads:
    """What paths come to. Nothing is read yet: a folder may be larger than the memory.

    Attributes:
        files: what can be sent, each name once.
        roots: the folders that were looked through, each with its name in the library.
        report: what could not be found or taken here, and what was left out.
    """

    files: tuple[Upload, ...]
    roots: tuple[tuple[str, Path], ...]
    report: AddReport

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of the folders."""
        return tuple(dict.fromkeys(name for name, _ in self.roots))

    def batches(self) -> list[list[Upload]]:
        """Files in requests that a service takes by default."""
        batches: list[list[Upload]] = []
        size = 0
        for file in self.files:
            if not batches or size + file.size > _MAX_BYTES or len(batches[-1]) == _MAX_FILES:
                batches.append([])
                size = 0
            batches[-1].append(file)
            size += file.size
        return batches

    def find_gone(self, documents: Iterable[DocumentInfo]) -> list[DocumentInfo]:
        """The documents below these folders whose file is not there any more."""
        names = {file.name for file in self.files}
        return [document for document in documents if document.source not in names and self._is_gone(document.source)]

    def _is_gone(self, source: str) -> bool:
        below = [root / source[len(name) + 1 :] for name, root in self.roots if is_below(source, [name])]
        return bool(below) and all(is_file_gone(str(path)) for path in below)


def find_uploads(items: Iterable[str | Path]) -> Uploads:
    """The files that ``items`` name, folders recursively.

    A file in a folder is named by the folder and the way from there (``archive/2019/report.pdf``), a file that was
    named itself by its last part.

    Raises:
        SourceError: two files would get one name, and the last would replace the other.
    """
    files: dict[str, Upload] = {}
    roots: list[tuple[str, Path]] = []
    reports: list[AddReport] = []
    for item in items:
        gathered = gather([item])
        root = Path(gathered.folders[0]) if gathered.folders else None
        roots += [(root.name, root)] if root else []
        for source in gathered.sources:
            path = Path(source.name)
            name = f"{root.name}/{path.relative_to(root).as_posix()}" if root else path.name
            if name in files:
                raise SourceError(f"two files would be named {name!r} in the library; add the folder above both")
            files[name] = Upload(name, source, _size(path))
        reports.append(_local_report(gathered))
    return Uploads(tuple(files.values()), tuple(roots), merge_reports(reports))


def read_batch(batch: Sequence[Upload]) -> tuple[list[tuple[str, bytes]], list[FailedSource]]:
    """The names and contents of a batch, and what could not be read."""
    contents, failed = [], []
    for file in batch:
        try:
            contents.append((file.name, file.source.read()))
        except SourceError as error:
            failed.append(FailedSource(file.source.name, str(error)))
    return contents, failed


def files_body(contents: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """The multipart body of a request that adds files."""
    return {"files": [("files", file) for file in contents]}


def follow_params(uploads: Uploads, *, sync: bool) -> dict[str, Any]:
    """The parameters by which a request says that it holds all files of the folders."""
    return {"folder": list(uploads.folders), "sync": sync}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading it fails too, and says why


def batch_texts(documents: Iterable[Document]) -> Iterator[dict[str, Any]]:
    """Bodies that add LangChain documents, those of one source in one body."""
    groups: dict[str, list[dict[str, str]]] = {}
    for document in documents:
        name = document_name(document)
        title, place = str(document.metadata.get("title") or ""), document_location(document.metadata)
        text = {"source": name, "title": title, "text": document.page_content, "location": place}
        groups.setdefault(name, []).append(text)
    batch: list[dict[str, str]] = []
    for group in groups.values():
        if batch and len(batch) + len(group) > _MAX_TEXTS:
            yield {"documents": batch}
            batch = []
        batch += group
    if batch:
        yield {"documents": batch}


def merge_reports(reports: Sequence[AddReport]) -> AddReport:
    """Several additions as one; the state of the library is the last one's that knows it."""
    if not reports:
        return AddReport()
    last = next(
        (report for report in reversed(reports) if report.num_read or report.gone or report.removed), reports[-1]
    )
    lists = {name: tuple(item for report in reports for item in getattr(report, name)) for name in _LISTS}
    num_new = sum(report.num_new_passages for report in reports)
    counts = {name: sum(getattr(report.cost, name) for report in reports) for name in _COUNTS}
    cost = AddCost(**counts, bytes_per_passage=last.cost.bytes_per_passage)
    return AddReport(**lists, num_passages=last.num_passages, num_new_passages=num_new, cost=cost)


def _local_report(gathered: Gathered) -> AddReport:
    return AddReport(failed=gathered.failed, skipped=gathered.skipped, left_out=gathered.left_out)
