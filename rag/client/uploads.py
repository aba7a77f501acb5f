"""What a client sends when it adds documents, and the reports of several additions as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from rag.core.errors import SourceError
from rag.core.passages import document_location
from rag.core.reports import AddCost, AddReport, FailedSource
from rag.ingest.gather import Gathered, gather
from rag.ingest.parts import document_name

_COUNTS = ("seconds", "num_embedded", "num_resumed", "embed_seconds")
_LISTS = tuple(field.name for field in fields(AddReport) if isinstance(field.default, tuple))
# Of one request; a service takes 1,000 files and 50 MB by default.
_MAX_FILES = 500
_MAX_BYTES = 32 * 2**20
_MAX_TEXTS = 500


@dataclass(frozen=True)
class Upload:
    """One file, and the name that it gets in the library."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Uploads:
    """What paths come to.

    Attributes:
        files: what can be sent, each name once.
        folders: the folders, as in the names, that were looked through.
        report: what could not be read here, and what was left out.
    """

    files: tuple[Upload, ...]
    folders: tuple[str, ...]
    report: AddReport


def read_uploads(items: Iterable[str | Path]) -> Uploads:
    """The files that ``items`` name, folders recursively.

    A file in a folder is named by the folder and the way from there (``archive/2019/report.pdf``), a file that was
    named itself by its last part.

    Raises:
        SourceError: two files would get one name, and the last would replace the other.
    """
    files: dict[str, Upload] = {}
    folders: list[str] = []
    reports: list[AddReport] = []
    for item in items:
        gathered = gather([item])
        root = Path(gathered.folders[0]) if gathered.folders else None
        folders += [root.name] if root else []
        failed = list(gathered.failed)
        for source in gathered.sources:
            path = Path(source.name)
            name = f"{root.name}/{path.relative_to(root).as_posix()}" if root else path.name
            if name in files:
                raise SourceError(f"two files would be named {name!r} in the library; add the folder above both")
            try:
                files[name] = Upload(name, source.read())
            except SourceError as error:
                failed.append(FailedSource(source.name, str(error)))
        reports.append(_local_report(gathered, failed))
    return Uploads(tuple(files.values()), tuple(dict.fromkeys(folders)), merge_reports(reports))


def file_requests(uploads: Uploads, *, sync: bool) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Multipart body and parameters of each request that adds files.

    One request says which folders it holds as a whole; with ``sync`` all files go in one, since the service compares
    what it holds with that.
    """
    is_followed = bool(uploads.folders and uploads.files)
    batches = [list(uploads.files)] if sync and is_followed else list(_batch_files(uploads.files))
    params = {"folder": list(uploads.folders), "sync": sync} if is_followed and len(batches) == 1 else {}
    return [({"files": [("files", (file.name, file.content)) for file in batch]}, params) for batch in batches]


def _batch_files(files: Sequence[Upload]) -> Iterator[list[Upload]]:
    """Files in requests that a service takes by default."""
    batch: list[Upload] = []
    for file in files:
        is_full = sum(len(each.content) for each in batch) + len(file.content) > _MAX_BYTES
        if batch and (is_full or len(batch) == _MAX_FILES):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


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
    """Several additions as one; the state of the library is the last one's."""
    if not reports:
        return AddReport()
    lists = {name: tuple(item for report in reports for item in getattr(report, name)) for name in _LISTS}
    num_new = sum(report.num_new_passages for report in reports)
    counts = {name: sum(getattr(report.cost, name) for report in reports) for name in _COUNTS}
    cost = AddCost(**counts, bytes_per_passage=reports[-1].cost.bytes_per_passage)
    return AddReport(**lists, num_passages=reports[-1].num_passages, num_new_passages=num_new, cost=cost)


def _local_report(gathered: Gathered, failed: Sequence[FailedSource]) -> AddReport:
    return AddReport(failed=tuple(failed), skipped=gathered.skipped, left_out=gathered.left_out)
