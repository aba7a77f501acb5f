"""What a passage's row in PostgreSQL holds beside its vector."""

from __future__ import annotations

from rag.library.base import content_key
from rag.library.postgres.sparse import split_words


def storable(text: str) -> str:
    """PostgreSQL's text holds every character but NUL, which stands in the text of some damaged PDFs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def passage_columns(title: str, text: str) -> tuple[str, bytes, int, str]:
    """Columns text, content and num_words of a passage, and the words that its column words is made from."""
    words = split_words(f"{title} {text}")
    return text, content_key(title, text), len(words), " ".join(words)
