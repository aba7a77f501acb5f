"""From a document's text to passages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.core.passages import Passage
from rag.ingest.blocks import ParsedDocument
from rag.ingest.source import Source
from rag.models.loading import one_at_a_time

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

# Cut at paragraphs, lines, sentences or words, in this order of preference.
_SEPARATORS = ["\n\n", "\n", ". ", " ", ""]


def split(source: Source, document: ParsedDocument, *, chunk_chars: int, chunk_overlap: int) -> list[Passage]:
    """The passages of a document, at most ``chunk_chars`` characters each, ``chunk_overlap`` of them in common."""
    splitter = _splitter_class()(
        chunk_size=chunk_chars, chunk_overlap=chunk_overlap, separators=_SEPARATORS, add_start_index=True
    )
    passages: list[Passage] = []
    start = 0
    for block in document.blocks:
        passages += [
            Passage(
                passage_id=f"{source.doc_id}:{ordinal}",
                doc_id=source.doc_id,
                source=source.name,
                title=document.title,
                text=piece.page_content,
                start=start + piece.metadata["start_index"],
                location=block.location,
            )
            for ordinal, piece in enumerate(splitter.create_documents([block.text]), start=len(passages))
        ]
        start += len(block.text) + 2
    return passages


@one_at_a_time
def _splitter_class() -> type[RecursiveCharacterTextSplitter]:
    """Its package imports ``transformers``, which another thread may be loading a model with."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter
