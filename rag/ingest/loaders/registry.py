"""Which reader reads which file, and the one edge where the errors of parsers end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from rag.core.errors import SourceError
from rag.ingest.blocks import ParsedDocument
from rag.ingest.loaders.base import KNOWN_TYPES, Reader, squeeze, to_set
from rag.ingest.loaders.code import read_code
from rag.ingest.loaders.csv import read_csv
from rag.ingest.loaders.docx import read_docx
from rag.ingest.loaders.epub import read_epub
from rag.ingest.loaders.html import read_html
from rag.ingest.loaders.json import read_json, read_json_lines
from rag.ingest.loaders.mail import read_mail
from rag.ingest.loaders.markdown import read_markdown
from rag.ingest.loaders.odf import read_odf
from rag.ingest.loaders.pdf import read_pdf
from rag.ingest.loaders.pptx import read_pptx
from rag.ingest.loaders.rst import read_rst
from rag.ingest.loaders.rtf import read_rtf
from rag.ingest.loaders.text import read_text
from rag.ingest.loaders.xlsx import read_xlsx

_CODE = to_set(
    "bash bat c cc cfg clj conf cpp cs css cxx dart ex exs go gradle groovy h hh hpp hs ini java jl js jsx kt less lua "
    "m mjs ml nix php pl pm properties proto ps1 py pyi r rb rs sass scala scss sh sql svelte swift tf toml ts tsx vb "
    "vue xml yaml yml zig zsh"
)
_DOCUMENTS: dict[str, tuple[str, Reader]] = {
    ".txt": ("text", read_text),
    ".text": ("text", read_text),
    ".log": ("text", read_text),
    ".md": ("Markdown", read_markdown),
    ".markdown": ("Markdown", read_markdown),
    ".rst": ("reStructuredText", read_rst),
    ".html": ("HTML", read_html),
    ".htm": ("HTML", read_html),
    ".xhtml": ("HTML", read_html),
    ".pdf": ("PDF", read_pdf),
    ".docx": ("Word document", read_docx),
    ".docm": ("Word document", read_docx),
    ".dotx": ("Word document", read_docx),
    ".pptx": ("PowerPoint file", read_pptx),
    ".pptm": ("PowerPoint file", read_pptx),
    ".ppsx": ("PowerPoint file", read_pptx),
    ".xlsx": ("Excel workbook", read_xlsx),
    ".xlsm": ("Excel workbook", read_xlsx),
    ".csv": ("CSV file", read_csv),
    ".tsv": ("TSV file", read_csv),
    ".tab": ("TSV file", read_csv),
    ".json": ("JSON file", read_json),
    ".jsonl": ("JSON Lines file", read_json_lines),
    ".ndjson": ("JSON Lines file", read_json_lines),
    ".epub": ("EPUB book", read_epub),
    ".odt": ("OpenDocument text", read_odf),
    ".ods": ("OpenDocument sheet", read_odf),
    ".odp": ("OpenDocument presentation", read_odf),
    ".rtf": ("RTF file", read_rtf),
    **{f".{suffix}": ("text", read_code) for suffix in sorted(_CODE)},
}
_MAIL = {".eml": ("mail", partial(read_mail, readers={suffix: reader for suffix, (_, reader) in _DOCUMENTS.items()}))}
_ALL = _DOCUMENTS | _MAIL
READERS: Mapping[str, Reader] = MappingProxyType({suffix: reader for suffix, (_, reader) in _ALL.items()})


def read_file(suffix: str, content: bytes) -> ParsedDocument:
    """What the reader for ``suffix`` makes of ``content``.

    Raises:
        SourceError: of an unknown type, damaged or encrypted; in one line.
    """
    if suffix not in _ALL:
        raise SourceError(f"unknown type {suffix or '(none)'!r}; known are {KNOWN_TYPES}")
    name, reader = _ALL[suffix]
    try:
        return reader(content)
    except (SourceError, MemoryError):  # whoever runs this process decides what a full memory means
        raise
    except RecursionError as error:
        raise SourceError(f"it is not a readable {name}: its parts are nested too deeply") from error
    except Exception as error:  # an edge: parsers of foreign files trip over damage in ways that nobody can list
        reason = squeeze(str(error))[:200] or type(error).__name__
        raise SourceError(f"it is not a readable {name}: {reason}") from error
