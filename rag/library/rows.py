"""What both kinds of library say of their rows: columns of a passage, names of passages and contents, a full count."""

from __future__ import annotations

import hashlib
import re

from rag.core.errors import StorageError

# Of rows "passages p JOIN documents d", for Passage; the first three are the row id and the parts of the passage_id.
PASSAGE_COLUMNS = "p.id, d.doc_id, p.ordinal, d.source, d.title, p.text, p.start, p.location, p.heading, d.date"
_PASSAGE_ID = re.compile(r"(?P<doc_id>.*):(?P<ordinal>0|[1-9][0-9]{0,8})", re.DOTALL)


def content_key(title: str, text: str) -> bytes:
    """Sixteen bytes that name what a passage says, which is all that an extractor may read."""
    return hashlib.blake2b(f"{title}\0{text}".encode(), digest_size=16).digest()


def split_passage_id(passage_id: str) -> tuple[str, int] | None:
    """Document and ordinal of one of a library's passages; ``None`` for an id that no library gives."""
    match = _PASSAGE_ID.fullmatch(passage_id)
    if match is None or "\0" in passage_id or not _is_unicode(passage_id):
        return None
    return match["doc_id"], int(match["ordinal"])


def check_all_published(expected: int, published: int, place: str) -> None:
    """Refuse a publication that lacks documents.

    Raises:
        StorageError: documents that were staged are gone.
    """
    if published != expected:
        raise StorageError(
            f"{expected - published} of {expected} documents that were staged in {place} are gone, since another "
            "process wrote to it; nothing was changed; add them again"
        )


def _is_unicode(text: str) -> bool:
    """False for lone halves of a surrogate pair, which no database takes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
