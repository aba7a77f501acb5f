"""What a passage's row in PostgreSQL holds beside its vector."""

from __future__ import annotations

from rag.core.encoding import searched_text
from rag.core.words import index_words
from rag.library.rows import content_key


def storable(text: str) -> str:
    """PostgreSQL's text holds every character but NUL, which stands in the text of some damaged PDFs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def passage_columns(title: str, text: str, heading: str) -> tuple[str, bytes, int, str]:
    """Columns text, content and num_words of a passage, and the words that its column words is made from."""
    words = index_words(title) + index_words(searched_text(title, text, heading))
    return text, content_key(title, text), len(words), " ".join(words)
