"""Text as it is kept: without what only a printer or a mail program needs."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from rag.ingest.blocks import Block, ParsedDocument

# Soft hyphens, joiners of lines, marks of byte order. The joiners of letters stay: Persian and emoji need them.
_SOFT_HYPHEN_AT_END = re.compile("\u00ad[ \t]*\n[ \t]*")
_INVISIBLE = re.compile("[\u00ad\u2060\ufeff\0]")
_NO_BREAK = re.compile("[\u00a0\u202f\u2007]")
_LIGATURE = re.compile("[\ufb00-\ufb06]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Pictures and other files as text: a data address, lines of base64 as mail has them, or one very long run.
_ENCODED = re.compile(
    r"data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,[A-Za-z0-9+/=]*(?:\r?\n[A-Za-z0-9+/=]{40,})*"
    r"|(?:[A-Za-z0-9+/]{60,}\r?\n){3,}[A-Za-z0-9+/]*={0,2}"
    r"|[A-Za-z0-9+/_=-]{400,}"
)


def tidy(document: ParsedDocument) -> ParsedDocument:
    """The document with each block's text tidied, and a note where encoded data was left out."""
    blocks: list[Block] = []
    num_left_out = 0
    for block in document.blocks:
        text, num_encoded = drop_encoded(tidy_text(block.text))
        num_left_out += num_encoded
        if text.strip():
            blocks.append(replace(block, text=text.strip("\n") if block.kind == "code" else text.strip()))
    notes = document.notes
    if num_left_out:
        notes = (*notes, f"{num_left_out} characters of encoded data, such as a picture, were left out")
    title = " ".join(tidy_text(document.title).split())
    return ParsedDocument(tuple(blocks), title, document.date, notes)


def tidy_text(text: str) -> str:
    """``text`` with composed letters, ligatures in single letters, plain blanks, and without invisible characters."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    text = _INVISIBLE.sub("", _SOFT_HYPHEN_AT_END.sub("", text))
    text = _NO_BREAK.sub(" ", _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))
    text = _LIGATURE.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return unicodedata.normalize("NFC", text)


def drop_encoded(text: str) -> tuple[str, int]:
    """``text`` without encoded data, and how many characters that was."""
    if len(text) < 200:
        return text, 0
    left = _ENCODED.sub("", text)
    return left, len(text) - len(left)
