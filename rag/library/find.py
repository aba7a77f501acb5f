"""Documents of a library by the names that people give them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rag.core.errors import LibraryError
from rag.core.reports import DocumentInfo
from rag.library.base import Library


def find_documents(library: Library, names: Iterable[str | Path]) -> dict[str, DocumentInfo]:
    """Documents by doc_id that one of ``names`` stands for: a doc_id, a source, or a folder above it.

    Raises:
        LibraryError: a name that stands for no document.
    """
    documents = library.documents()
    chosen: dict[str, DocumentInfo] = {}
    for name in map(str, names):
        matches = [document for document in documents if _has_name(document, name)]
        if not matches:
            raise LibraryError(f"no document {name!r} in {library.place}; 'concord ls' lists them")
        chosen |= {document.doc_id: document for document in matches}
    return chosen


def _has_name(document: DocumentInfo, name: str) -> bool:
    path = str(Path(name).expanduser().resolve())
    folders = [str(parent) for parent in Path(document.source).parents]
    return name in (document.doc_id, document.source) or path in (document.source, *folders)
