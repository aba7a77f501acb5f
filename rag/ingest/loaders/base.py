"""What every reader gives, and the cleaning that every text goes through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument

Reader = Callable[[bytes], ParsedDocument]

# What messages and help say; the registry has each suffix.
KNOWN_TYPES = (
    "txt, md, rst, html, pdf, docx, pptx, xlsx, csv, tsv, json, jsonl, eml, epub, odt, ods, odp, rtf, and source code"
)
# A file may not grow beyond this many characters: tables repeat their headings in every row.
MAX_CHARS = 256 * 2**20
# Control characters, apart from tab and line feed. Form feeds and carriage returns are turned into line feeds first.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def to_set(words: str) -> frozenset[str]:
    """A set of words, written as a text, which keeps long lists short."""
    return frozenset(words.split())


def squeeze(text: str) -> str:
    """``text`` on one line: every run of white space is one blank."""
    return " ".join(text.split())


def clean(text: str) -> str:
    """``text`` without NUL, other control characters and halves of surrogate pairs (these become U+FFFD)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    text = _CONTROL.sub("", text)
    try:
        text.encode()
    except UnicodeEncodeError:  # two halves side by side are one character
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def build_document(
    blocks: Iterable[Block], title: str = "", date: str = "", notes: Iterable[str] = ()
) -> ParsedDocument:
    """The document of these blocks: cleaned, without empty ones.

    Raises:
        SourceError: the text grows beyond ``MAX_CHARS`` characters.
    """
    cleaned, num_chars = [], 0
    for block in blocks:
        text = clean(block.text).strip("\n") if block.kind == "code" else clean(block.text).strip()
        if not text.strip():
            continue
        num_chars += len(text)
        if num_chars > MAX_CHARS:
            raise SourceError(f"it holds more than {MAX_CHARS:,} characters of text; split it into smaller files")
        cleaned.append(replace(block, text=text, location=squeeze(clean(block.location))))
    return ParsedDocument(tuple(cleaned), squeeze(clean(title)), date, tuple(notes))
