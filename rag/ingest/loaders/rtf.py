"""Rich Text Format: text, tables, notes, headers and footers.

Source: Microsoft, Rich Text Format Specification 1.9.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document, squeeze
from rag.ingest.loaders.rtf_flow import Flow
from rag.ingest.loaders.rtf_words import AROUND, CHARACTERS, CHARSETS, SYMBOLS, UNSEEN

_TOKEN = re.compile(
    r"\\([A-Za-z]{1,32})(-?\d{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z'])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)


@dataclass(frozen=True)
class _State:
    """What holds inside one group: whether its text shows, in which encoding, how many signs follow a ``\\u``."""

    is_seen: bool = True
    encoding: str = ""
    num_spare: int = 1
    target: str = ""


def read_rtf(content: bytes) -> ParsedDocument:
    """The text with its tables where they stand; headers first, footers last, each once.

    Raises:
        SourceError: no RTF.
    """
    if not content.lstrip()[:5].startswith(b"{\\rtf"):
        raise SourceError("it is not RTF: it does not start with {\\rtf")
    reader = _Reader()
    reader.read(content.decode("latin-1"))
    around: tuple[list[Block], list[Block], list[Block]] = ([], [], [])
    for place, blocks in reader.around:
        around[place].extend(block for block in blocks if block not in around[place] and not block.text.isdigit())
    blocks = [*around[0], *reader.finish(), *around[2]]
    title = reader.title or next((block.text for block in blocks if block.kind == "heading"), "")
    return build_document(blocks, title)


class _Reader:
    """Goes through the signs of one file. Groups are a stack, not a recursion."""

    def __init__(self) -> None:
        self.title = ""
        self.around: list[tuple[int, list[Block]]] = []
        self._state = _State()
        self._stack: list[_State] = []
        self._flows = [Flow()]
        self._bytes = bytearray()
        self._num_skipped = 0
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._styles: dict[int, int] = {}  # heading level by number of the style
        self._style = 0
        self._is_optional = False
        self._text: list[str] = []  # of a group that is read for itself: the title, the name of a style

    def read(self, text: str) -> None:
        """All signs of the file."""
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:  # a stray backslash at the end
                position += 1
                continue
            position = match.end()
            word, number, code, symbol, brace, run = match.groups()
            if run is not None:
                self._add_run(run)
            elif code is not None:
                self._add_byte(int(code, 16))
            elif brace is not None:
                self._open() if brace == "{" else self._close()
            elif symbol is not None:
                self._read_symbol(symbol)
            elif word == "bin":
                position += max(0, int(number or 0))
            elif word is not None:
                self._read_word(word, int(number) if number else None)

    def finish(self) -> list[Block]:
        """The blocks of the body."""
        while len(self._flows) > 1:
            self._end_flow("")
        self._end_paragraph()
        self._flows[-1].end_table()
        return self._flows[0].blocks

    def _open(self) -> None:
        self._flush_bytes()
        self._stack.append(self._state)
        self._is_optional = False

    def _close(self) -> None:
        self._flush_bytes()
        target, self._is_optional = self._state.target, False
        if not self._stack:
            return
        before = self._stack.pop()
        if target and target != before.target:
            self._end_target(target)
        self._state = before

    def _end_target(self, target: str) -> None:
        text = "".join(self._text)
        if target == "title":
            self.title = self.title or squeeze(text)
        elif target == "style":
            if match := re.match(r"(?i)\s*heading (\d)", text):
                self._styles[self._style] = int(match[1])
        elif target == "number":
            if re.search(r"\w", text) and len(self._flows[-1].parts) < 2:
                self._flows[-1].parts.append(squeeze(text) + " ")
            self._flows[-1].is_item = True
        elif target in AROUND or target == "footnote":
            self._end_flow(target)
        self._text = []

    def _end_flow(self, target: str) -> None:
        self._end_paragraph()
        self._flows[-1].end_table()
        flow = self._flows.pop() if len(self._flows) > 1 else self._flows[0]
        if target in AROUND:
            self.around.append((AROUND[target], flow.blocks))
        else:
            self._flows[-1].notes.extend(flow.blocks)

    def _read_symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._is_optional = True
        elif symbol in "\\{}":
            self._add_run(symbol)
        elif symbol in SYMBOLS:
            self._add(SYMBOLS[symbol])
        if symbol in "\r\n":
            self._end_paragraph()

    def _add_run(self, run: str) -> None:
        if self._num_skipped:
            skipped = min(self._num_skipped, len(run))
            self._num_skipped -= skipped
            run = run[skipped:]
        if self._state.is_seen and run:
            if run.isascii():
                self._flush_bytes()
                self._add(run)
            else:
                self._bytes += run.encode("latin-1")

    def _add_byte(self, value: int) -> None:
        if self._num_skipped:
            self._num_skipped -= 1
        elif self._state.is_seen:
            self._bytes.append(value)

    def _flush_bytes(self) -> None:
        if self._bytes:
            encoding = self._state.encoding or self._encoding
            text = bytes(self._bytes).decode(encoding, "replace")
            self._bytes.clear()
            self._add(text)

    def _add(self, text: str) -> None:
        self._flush_bytes()
        if self._state.is_seen and text:
            (self._text if self._state.target in ("title", "style", "number") else self._flows[-1].parts).append(text)

    def _read_word(self, word: str, number: int | None) -> None:
        if word != "u":
            self._flush_bytes()
        is_first, self._is_optional = self._is_optional, False
        if self._num_skipped and word not in ("par", "cell", "row"):
            self._num_skipped -= 1
            return
        if word == "u" and number is not None:
            self._add(chr(number % 0x10000))
            self._num_skipped = self._state.num_spare
        elif word == "uc":
            self._state = replace(self._state, num_spare=max(0, min(number or 0, 20)))
        elif word in CHARACTERS:
            self._add(CHARACTERS[word])
        elif not self._start_target(word, is_first):
            self._read_format(word, 0 if number is None else number, number is None)

    def _start_target(self, word: str, is_optional: bool) -> bool:
        """Whether the word starts a group that is read for itself, or not at all."""
        if word == "title" and self._stack:
            self._state = replace(self._state, is_seen=True, target="title")
        elif word in ("listtext", "pntext"):
            self._state = replace(self._state, target="number" if self._state.is_seen else "")
        elif word in AROUND or word == "footnote":
            if self._state.is_seen:
                self._flows.append(Flow())
                self._state = replace(self._state, target=word)
        elif word == "stylesheet":
            self._state = replace(self._state, is_seen=False, target="styles")
        elif word == "fonttbl":
            self._state = replace(self._state, is_seen=False, target="fonts")
        elif word in UNSEEN or (is_optional and word not in ("shptxt", "shpinst", "cs", "ud", "s")):
            self._state = replace(self._state, is_seen=False)
        elif word in ("shptxt", "ud", "upr"):  # upr holds one text twice: for old readers, and in Unicode as ud
            self._state = replace(self._state, is_seen=word != "upr")
        else:
            return False
        return True

    def _read_format(self, word: str, number: int, is_bare: bool) -> None:
        flow = self._flows[-1]
        if self._state.target in ("styles", "style", "fonts") and word not in ("s", "f", "fcharset"):
            return
        if word in ("par", "sect", "page", "column"):
            if self._state.is_seen:
                self._end_paragraph()
        elif word in ("cell", "nestcell"):
            self._end_cell(is_inner=word == "nestcell")
        elif word in ("row", "nestrow"):
            self._flows[-1].end_row(is_inner=word == "nestrow")
        elif word == "trhdr":
            flow.num_headings = max(flow.num_headings, len(flow.rows) + 1)
        elif word == "intbl":
            flow.in_table = True
        elif word == "pard":
            flow.in_table, flow.depth, flow.level, flow.is_item, flow.item_level = False, 1, 0, False, 1
        elif word == "itap":
            flow.depth = number
        elif word == "outlinelevel" and 0 <= number < 9:
            flow.level = number + 1
        elif word == "ls" and number > 0:
            flow.is_item = True
        elif word == "ilvl" and 0 <= number < 9:
            flow.item_level = number + 1
        elif word == "s":
            self._read_style(number)
        else:
            self._read_characters(word, number, is_bare)

    def _read_style(self, number: int) -> None:
        if self._state.target == "styles":
            self._style = number
            self._state = replace(self._state, is_seen=True, target="style")
        elif number in self._styles:
            self._flows[-1].level = self._styles[number]

    def _read_characters(self, word: str, number: int, is_bare: bool) -> None:
        if word == "ansicpg":
            self._encoding = _known_encoding(f"cp{number}") or self._encoding
        elif word in ("mac", "pc", "pca") and is_bare:
            self._encoding = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]
        elif word == "f":
            self._font = number
            if self._state.target != "fonts":
                self._state = replace(self._state, encoding=self._fonts.get(number, ""))
        elif word == "fcharset" and self._state.target == "fonts":
            if number in CHARSETS:
                self._fonts[self._font] = CHARSETS[number] if number else ""
        elif word in ("v", "deleted"):
            self._state = replace(self._state, is_seen=not is_bare and number == 0)
        elif word == "plain" and not self._state.is_seen and not self._state.target:
            return

    def _end_paragraph(self) -> None:
        self._flush_bytes()
        self._flows[-1].end_paragraph()

    def _end_cell(self, is_inner: bool) -> None:
        self._flush_bytes()
        self._flows[-1].end_cell(is_inner)


def _known_encoding(name: str) -> str:
    """The name, or nothing where Python does not know it."""
    try:
        return "".encode(name).decode() + name
    except LookupError:
        return ""
