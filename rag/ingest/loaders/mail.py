"""Mail: who wrote what to whom and when, and what is attached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from email import policy
from email.message import Message
from email.parser import BytesParser
from pathlib import PurePath
from typing import Any

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import Reader, build_document, clean, squeeze
from rag.ingest.loaders.dates import from_mail_date
from rag.ingest.loaders.encodings import decode
from rag.ingest.loaders.html import read_html
from rag.ingest.loaders.text import split_paragraphs

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
_MAX_DEPTH = 20
_MAX_PARTS = 1000


def read_mail(content: bytes, readers: Mapping[str, Reader] | None = None) -> ParsedDocument:
    """The head, the body (plain text, else HTML), forwarded mail, then the attachments.

    Args:
        content: a message as it was sent (``.eml``).
        readers: what reads attachments, by suffix; other attachments are named only.

    Raises:
        SourceError: it has neither a head nor a body.
    """
    message = BytesParser(policy=policy.default).parsebytes(content)
    if not any(name in message for name in ("From", "To", "Subject", "Date", "Received", "Message-ID")):
        raise SourceError("it is not a mail: it has neither a sender nor a subject")
    reader = _Reader(readers or {})
    blocks = list(reader.read(message))
    return build_document(blocks, _header(message, "Subject"), from_mail_date(_header(message, "Date")), reader.notes)


def _header(message: Message, name: str) -> str:
    """One line of the head. Lines that break the rules are read as they stand."""
    try:
        return squeeze(clean(str(message.get(name, ""))))
    except Exception:  # the parser of the standard library trips over broken addresses and dates in many ways
        raw = dict(message.raw_items()).get(name, "") if hasattr(message, "raw_items") else ""
        return squeeze(clean(str(raw)))


class _Reader:
    """Goes through the parts of one mail without recursion."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = readers
        self.notes: list[str] = []

    def read(self, message: Message) -> Iterator[Block]:
        """The blocks of the mail and of those that it carries."""
        waiting: list[tuple[Message, int, bool]] = [(message, 0, True)]
        num_parts = 0
        while waiting:
            part, depth, is_mail = waiting.pop()
            num_parts += 1
            if num_parts > _MAX_PARTS or depth > _MAX_DEPTH:
                self.notes.append(
                    f"parts after the first {_MAX_PARTS}, or nested deeper than {_MAX_DEPTH}, are left out"
                )
                return
            if is_mail:
                yield from self._read_head(part)
            if part.get_content_type() == "message/rfc822":
                waiting += [(each, depth + 1, True) for each in reversed(_children(part))]
            elif part.is_multipart():
                waiting += [(each, depth + 1, False) for each in reversed(_choose(part))]
            else:
                yield from self._read_part(part)

    def _read_head(self, message: Message) -> Iterator[Block]:
        for name in _HEADERS:
            if text := _header(message, name):
                yield Block(text, "heading", 1) if name == "Subject" else Block(f"{name}: {text}")

    def _read_part(self, part: Message) -> Iterator[Block]:
        name = self._find_name(part)
        content = _payload(part)
        kind = part.get_content_type()
        if name or part.get_content_disposition() == "attachment":
            yield from self._read_attachment(name or "without a name", content)
        elif kind in ("text/html", "application/xhtml+xml"):
            yield from self._take(read_html(_declare(content, part)))
        elif part.get_content_maintype() == "text":
            text, notes = decode(content, str(part.get_content_charset() or ""))
            self.notes += notes
            yield from (replace(block, location="") for block in split_paragraphs(text))

    def _find_name(self, part: Message) -> str:
        try:
            return squeeze(clean(part.get_filename() or ""))
        except Exception:  # see _header
            return ""

    def _take(self, document: ParsedDocument) -> tuple[Block, ...]:
        self.notes += document.notes
        return document.blocks

    def _read_attachment(self, name: str, content: bytes) -> Iterator[Block]:
        place = f"attachment {name}"
        yield Block(f"Attachment: {name}", "paragraph", location=place)
        reader = self._readers.get(PurePath(name).suffix.lower())
        if reader is None:
            return
        try:
            document = reader(content)
        except MemoryError:
            raise
        except Exception as error:  # an edge: readers of foreign files; the rest of the mail counts
            self.notes.append(f"its attachment {name} could not be read: {squeeze(str(error))[:200]}")
            return
        self.notes += [f"its attachment {name}: {note}" for note in document.notes]
        for block in document.blocks:
            yield replace(block, location=f"{place}, {block.location}" if block.location else place)


def _children(part: Message) -> list[Message]:
    payload: Any = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _choose(part: Message) -> list[Message]:
    """The parts to read: of alternatives the plain text, unless it says nothing; else all."""
    parts = _children(part)
    if part.get_content_type() != "multipart/alternative":
        return parts
    plain = [each for each in parts if each.get_content_type() == "text/plain" and _payload(each).strip()]
    rich = [each for each in parts if each.get_content_type() != "text/plain"]
    others = [each for each in rich if each.get_content_maintype() not in ("text", "multipart")]
    return [*(rich[:1] if rich and _has_table(rich[0]) else plain[:1] or rich[:1]), *others]


def _has_table(part: Message) -> bool:
    """Whether the richer form has a table, whose cells the plain one runs together."""
    return any(b"<table" in _payload(each).lower() for each in part.walk() if each.get_content_type() == "text/html")


def _payload(part: Message) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except Exception:  # see _header
        return b""
    return content if isinstance(content, bytes) else b""


def _declare(content: bytes, part: Message) -> bytes:
    """HTML of a mail in UTF-8: the head of the part names its encoding, not the page."""
    charset = str(part.get_content_charset() or "")
    return decode(content, charset)[0].encode("utf-8", "replace") if charset else content
