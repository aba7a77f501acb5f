"""A passage, and how LangChain knows it.

Inside the engine a passage is a :class:`Passage`; at the edges it is a ``langchain_core`` ``Document``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.documents import Document


@dataclass(frozen=True)
class Passage:
    """A piece of one document, the unit of retrieval and citation.

    Attributes:
        passage_id: stable name, ``<doc_id>:<ordinal>``.
        doc_id: name of the document it came from.
        source: where the document was read (a path, an address, or the caller's own name for it).
        title: the document's title, or its file name.
        text: the passage itself.
        start: offset of ``text`` in the document's text, characters.
        location: where it stands, as a person says it (``page 3``, ``sheet Prices, row 12``); empty where unknown.
        heading: the headings above it, outermost first, joined by `` > ``; empty where there are none.
        date: of the document, ISO 8601; empty where the document states none.
    """

    passage_id: str
    doc_id: str
    source: str
    title: str
    text: str
    start: int = 0
    location: str = ""
    heading: str = ""
    date: str = ""

    def to_document(self, score: float | None = None) -> Document:
        """The passage as LangChain knows it; ``score`` goes into the metadata."""
        from langchain_core.documents import Document

        metadata = {key: value for key, value in asdict(self).items() if key != "text"}
        if score is not None:
            metadata["score"] = score
        return Document(id=self.passage_id, page_content=self.text, metadata=metadata)

    @classmethod
    def from_document(cls, document: Document) -> Passage:
        """The reverse of :meth:`to_document`; documents from foreign retrievers get what they lack.

        A chunk without an id is named by its text, so chunks of one document differ, and the name is the same at
        every search.
        """
        meta = {name: value for name, value in document.metadata.items() if value is not None}
        text = document.page_content
        digest = sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        source = str(meta.get("source", meta.get("doc_id", document.id or "")))
        doc_id = str(meta.get("doc_id", source or f"text:{digest}"))
        return cls(
            passage_id=str(meta.get("passage_id", document.id or f"{doc_id}:{digest}")),
            doc_id=doc_id,
            source=source,
            title=str(meta.get("title", source)),
            text=text,
            start=int(meta.get("start", meta.get("start_index", 0))),
            location=document_location(meta),
            heading=str(meta.get("heading", "")),
            date=str(meta.get("date", "")),
        )


def document_location(metadata: Mapping[str, Any]) -> str:
    """Where a LangChain document stands in its source, from what loaders write about it; empty where they do not.

    ``page_label`` and ``page_number`` count as people do; ``page`` and ``row`` begin with 0.
    """
    if metadata.get("location"):
        return str(metadata["location"])
    for name in ("page_label", "page_number"):
        if metadata.get(name) not in (None, ""):
            return f"page {metadata[name]}"
    for name in ("page", "row"):
        if isinstance(metadata.get(name), int):
            return f"{name} {metadata[name] + 1}"
    return ""


@dataclass(frozen=True)
class ScoredPassage:
    """A passage and the score a retriever gave it; higher is better, comparable within one ranking only."""

    passage: Passage
    score: float


def rank_passages(passages: Iterable[Passage]) -> tuple[ScoredPassage, ...]:
    """Passages in the order of their caller, best first, as a ranking: each gets the reciprocal of its rank."""
    return tuple(ScoredPassage(passage, 1 / rank) for rank, passage in enumerate(passages, start=1))
