"""From a document's text to passages."""

from __future__ import annotations

from rag.core.passages import Passage
from rag.ingest.loaders.base import Text
from rag.ingest.source import Source

# Cut at paragraphs, lines, sentences or words, in this order of preference.
_SEPARATORS = ["\n\n", "\n", ". ", " ", ""]


def split(source: Source, text: Text, *, chunk_chars: int, chunk_overlap: int) -> list[Passage]:
    """The passages of a document, at most ``chunk_chars`` characters each, ``chunk_overlap`` of them in common."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        chunk_size=chunk_chars, chunk_overlap=chunk_overlap, separators=_SEPARATORS, add_start_index=True
    )
    return [
        Passage(
            passage_id=f"{source.doc_id}:{ordinal}",
            doc_id=source.doc_id,
            source=source.name,
            title=text.title,
            text=piece.page_content,
            start=piece.metadata["start_index"],
        )
        for ordinal, piece in enumerate(splitter.create_documents([text.text]))
    ]
