"""Word documents."""

from __future__ import annotations

from io import BytesIO
from zipfile import BadZipFile

from rag.core.errors import SourceError
from rag.ingest.loaders.base import Text


def load_docx(content: bytes) -> Text:
    """Paragraphs, then the rows of tables, and the title from the file's properties.

    Raises:
        SourceError: damaged.
    """
    from docx import Document
    from docx.opc.exceptions import OpcError

    try:
        document = Document(BytesIO(content))
    except (BadZipFile, OpcError, KeyError, ValueError) as error:
        raise SourceError(f"it is not a readable Word document: {error}") from error
    blocks = [paragraph.text for paragraph in document.paragraphs]
    blocks += [" | ".join(cell.text for cell in row.cells) for table in document.tables for row in table.rows]
    return Text(document.core_properties.title, "\n\n".join(block for block in blocks if block.strip()))
