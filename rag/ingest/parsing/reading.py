"""From the bytes of a foreign file to a document, whatever its parser does."""

from __future__ import annotations

from rag.core.errors import SourceError
from rag.ingest.blocks import ParsedDocument
from rag.ingest.load import load
from rag.ingest.parsing.limits import Limits
from rag.ingest.source import Source
from rag.ingest.tidy import tidy

_MAX_REASON_CHARS = 160


def read_document(source: Source, content: bytes, limits: Limits) -> ParsedDocument:
    """The document in ``content``.

    Raises:
        SourceError: it cannot be read; the message is one line.
        MemoryError: the process has no memory left; whoever runs it decides what follows.
    """
    try:
        limits.check_expansion(content)
        document = tidy(load(source, content))
    except SourceError as error:
        raise SourceError(_one_line(str(error))) from error
    except MemoryError:
        raise
    except Exception as error:
        # An edge, behind that of the readers: whatever else goes wrong with a foreign file, such as with the list of an
        # archive, costs this file and no other.
        detail = _one_line(str(error))
        raise SourceError(f"it is damaged ({type(error).__name__}{': ' if detail else ''}{detail})") from error
    if not document.blocks:
        raise SourceError("there is no text in it, only encoded data")
    return document


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_REASON_CHARS else f"{line[: _MAX_REASON_CHARS - 1]}…"
