"""Plain text and Markdown, in whatever encoding."""

from __future__ import annotations

from rag.core.errors import SourceError
from rag.ingest.loaders.base import Text


def load_text(content: bytes) -> Text:
    """The text as it is.

    Raises:
        SourceError: its encoding is unknown.
    """
    return Text("", decode(content))


def load_markdown(content: bytes) -> Text:
    """The text as it is; its title is the first heading.

    Raises:
        SourceError: its encoding is unknown.
    """
    text = decode(content)
    headings = (line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#"))
    return Text(next(headings, ""), text)


def decode(content: bytes) -> str:
    """Text from bytes: UTF-8, else the most likely encoding.

    Raises:
        SourceError: no encoding fits.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(content).best()
        if best is None:
            raise SourceError("its text is in no known encoding; save it as UTF-8") from None
        return str(best)
