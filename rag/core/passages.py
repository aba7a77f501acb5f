"""A passage, and how LangChain knows it.

Inside the engine a passage is a :class:`Passage`; at the edges it is a ``langchain_core`` ``Document``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

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
        """The reverse of :meth:`to_document`; documents from foreign retrievers get what they lack by default."""
        meta = document.metadata
        source = str(meta.get("source", meta.get("doc_id", document.id or "")))
        doc_id = str(meta.get("doc_id", source))
        passage_id = str(meta.get("passage_id", document.id or f"{doc_id}:{meta.get('start', 0)}"))
        title = str(meta.get("title", source))
        places = {name: str(meta.get(name, "")) for name in ("location", "heading", "date")}
        return cls(passage_id, doc_id, source, title, document.page_content, int(meta.get("start", 0)), **places)


@dataclass(frozen=True)
class ScoredPassage:
    """A passage and the score a retriever gave it; higher is better, comparable within one ranking only."""

    passage: Passage
    score: float


def rank_passages(passages: Iterable[Passage]) -> tuple[ScoredPassage, ...]:
    """Passages in the order of their caller, best first, as a ranking: each gets the reciprocal of its rank."""
    return tuple(ScoredPassage(passage, 1 / rank) for rank, passage in enumerate(passages, start=1))
