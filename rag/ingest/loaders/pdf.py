"""PDF files."""

from __future__ import annotations

from io import BytesIO

from rag.core.errors import SourceError
from rag.ingest.loaders.base import Text


def load_pdf(content: bytes) -> Text:
    """The text of all pages, and the title from the file's metadata.

    Raises:
        SourceError: damaged or encrypted.
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceError("it is encrypted; save it without a password first")
        pages = [page.extract_text() for page in reader.pages]
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        # Damaged files make the parser trip in many ways; each means the same to the user.
        raise SourceError(f"it is not a readable PDF: {error}") from error
    return Text(title, "\n\n".join(pages))
