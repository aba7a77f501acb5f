"""What a client sends when it adds documents, and the reports of several additions as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from rag.core.errors import SourceError
from rag.core.reports import AddCost, AddReport
from rag.ingest.gather import gather
from rag.ingest.load import LOADERS

_COUNTS = ("seconds", "num_embedded", "num_resumed", "embed_seconds")


def read_uploads(items: Iterable[str | Path]) -> list[tuple[str, tuple[str, bytes]]]:
    """The files that ``items`` name, folders recursively, as parts of a multipart body.

    Raises:
        SourceError: a path that does not exist or cannot be read.
    """
    uploads: list[tuple[str, tuple[str, bytes]]] = []
    for item in items:
        path = Path(item).expanduser()
        files = sorted(f for f in path.rglob("*") if f.suffix.lower() in LOADERS) if path.is_dir() else [path]
        try:
            uploads += [("files", (file.name, file.read_bytes())) for file in files]
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return uploads


def texts_body(documents: Iterable[Document]) -> dict[str, Any]:
    """The body that adds LangChain documents; their sources are named as an engine names them."""
    sources = gather(documents).sources
    return {
        "documents": [
            {"source": source.name, "title": source.title, "text": source.read().decode()} for source in sources
        ]
    }


def merge_reports(reports: Sequence[AddReport]) -> AddReport:
    """Several additions as one; the state of the library is the last one's."""
    if not reports:
        return AddReport()
    lists = {
        name: tuple(item for report in reports for item in getattr(report, name))
        for name in ("added", "replaced", "unchanged", "failed", "skipped", "notes")
    }
    num_new = sum(report.num_new_passages for report in reports)
    counts = {name: sum(getattr(report.cost, name) for report in reports) for name in _COUNTS}
    cost = AddCost(**counts, bytes_per_passage=reports[-1].cost.bytes_per_passage)
    return AddReport(**lists, num_passages=reports[-1].num_passages, num_new_passages=num_new, cost=cost)
