"""Text from bytes in whatever encoding."""

from __future__ import annotations

import codecs
import re

from rag.ingest.loaders.guess import guess_encoding

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Web pages that say Latin-1 or ASCII mean windows-1252: https://encoding.spec.whatwg.org/#names-and-labels
_WEB_NAMES = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs", "tis-620": "cp874", "iso8859-11": "cp874",
}  # fmt: skip
# Signs that switch to Japanese and back, in bytes that are all ASCII.
_ESCAPES = re.compile(rb"\x1b\$[@B].{2,400}?\x1b\([BJ]", re.DOTALL)
_MANY = 200_000


def decode(content: bytes, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """The text, and what the person should know about its encoding.

    UTF-8 with a few bad bytes stays UTF-8: each bad place is one U+FFFD.

    Args:
        content: the bytes.
        declared: the encoding that the file says it has; it is tried after byte-order marks and UTF-8.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _replace(content[len(mark) :], encoding), ()
    if _ESCAPES.search(content[:_MANY]):
        return _replace(content, "iso2022_jp_2"), ("read as iso2022_jp, a guess",)
    if encoding := _find_wide(content):
        return _replace(content, encoding), (f"read as {encoding}, a guess",)
    try:
        return content.decode(), ()
    except UnicodeDecodeError:
        pass
    text = _decode_declared(content, declared)
    if text is not None:
        return text, ()
    text = content.decode("utf-8", "replace")
    num_bad, num_good = text.count("\ufffd"), sum(len(run) for run in re.findall(r"[^\x00-\x7f\ufffd]+", text))
    if num_bad <= num_good:
        text, num_places = re.subn("\ufffd+", "\ufffd", text)
        places = "1 place is" if num_places == 1 else f"{num_places} places are"
        return text, (f"{places} not UTF-8 and shown as \ufffd",)
    encoding = guess_encoding(content)
    return _replace(content, encoding), (f"read as {encoding}, a guess",)


def _replace(content: bytes, encoding: str) -> str:
    return re.sub("\ufffd+", "\ufffd", content.decode(encoding, "replace"))


def _find_wide(content: bytes) -> str:
    """UTF-16 without a mark: every other byte of Latin text, and of blanks and line feeds, is NUL."""
    head = content[:4096]
    if len(head) < 4 or b"\0" not in head:
        return ""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < max(2, len(head) // 50) or min(even, odd) * 4 > max(even, odd):
        return ""
    return "utf-16-be" if even > odd else "utf-16-le"


def _decode_declared(content: bytes, declared: str) -> str | None:
    """The text in the declared encoding; ``None`` where it is unknown or does not fit."""
    try:
        name = codecs.lookup(declared).name if declared else ""
        encoding = _WEB_NAMES.get(name, name)
        return content.decode(encoding) if encoding and not encoding.startswith("utf") else None
    except (LookupError, UnicodeError, ValueError):
        return None


def find_declared(content: bytes) -> str:
    """The encoding that a page or an XML file says it has; empty where it says nothing."""
    match = re.search(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", content[:4096], re.IGNORECASE)
    match = match or re.match(rb"\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]+)", content)
    return match[1].decode("ascii", "replace") if match else ""
