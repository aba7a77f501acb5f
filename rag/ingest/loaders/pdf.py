"""PDF files: pages read by PDFium, laid out as paragraphs, headings and tables."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document, clean, squeeze
from rag.ingest.loaders.pdf_layout import lay_out
from rag.ingest.loaders.pdf_page import Line, Page, Rule, Word

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

# PDFium marks a hyphen at the end of a line, where the word goes on below, with one of these.
_HYPHENS = ("\ufffe", "\x02")
# Ligatures, and Hebrew and Arabic letters as they look inside a word.
_FORMS = re.compile("[\ufb00-\ufdff\ufe70-\ufefc]+")
# PDFium must not run in two threads at once.
_LOCK = Lock()
_MAX_RULES = 1500
# A rectangle thinner than this is a line, in points.
_THIN = 2.5


def read_pdf(content: bytes) -> ParsedDocument:
    """The text of all pages, with tables row by row. Lines that each page repeats stand once.

    Raises:
        SourceError: damaged, or with a password.
    """
    with _LOCK:
        document = _open(content)
        try:
            pages, notes = _read_pages(document)
            title = squeeze(clean(document.get_metadata_dict().get("Title", "")))
        finally:
            document.close()
    blocks = lay_out(pages)
    return build_document(blocks, _choose_title(title, blocks), notes=notes)


def _open(content: bytes) -> PdfDocument:
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        return PdfDocument(content)
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise SourceError("it is encrypted; save it without a password first") from error
        raise SourceError(f"it is not a readable PDF: {error}") from error


def _choose_title(stated: str, blocks: list[Block]) -> str:
    """The title among the properties, unless a program left the name of a file there; else the first heading."""
    is_name = re.search(
        r"(?i)\.(docx?|pdf|tex|dvi|indd|pptx?|xlsx?|odt|rtf)$|^(\(?(untitled|anonymous)\)?$|microsoft word|slide 1$)",
        stated,
    )
    if stated and not is_name:
        return stated
    return next((block.text for block in blocks if block.kind == "heading"), "")


def _read_pages(document: PdfDocument) -> tuple[list[Page], list[str]]:
    """The pages that can be read; a line about those that cannot, and about those that are pictures."""
    from pypdfium2 import PdfiumError

    pages: list[Page] = []
    broken: list[int] = []
    blank: list[int] = []
    for number in range(1, len(document) + 1):
        try:
            page = _read_page(document, number)
        except PdfiumError:
            broken.append(number)
            continue
        pages.append(page)
        if not page.lines:
            blank.append(number)
    if not pages:
        raise SourceError("it is not a readable PDF: none of its pages can be read")
    notes = [f"{_list_pages(broken)} could not be read"] if broken else []
    if blank and len(blank) < len(pages):
        notes.append(f"there is no text on {_list_pages(blank)} (scanned pages need OCR first)")
    return pages, notes


def _list_pages(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10])) + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")
    return f"page {shown}" if len(numbers) == 1 else f"pages {shown}"


def _read_page(document: PdfDocument, number: int) -> Page:
    import pypdfium2.raw as raw

    page = document[number - 1]
    try:
        if raw.FPDFPage_GetAnnotCount(page) > 0:  # what is written into forms and notes becomes part of the page
            raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)
            page.close()
            page = document[number - 1]
        width, height = page.get_size()
        turn = page.get_rotation()
        text = page.get_textpage()
        try:
            lines = tuple(_read_lines(text, _Turn(turn, width, height)))
        finally:
            text.close()
        rules = tuple(_read_rules(page, _Turn(turn, width, height))) if lines else ()
        return Page(number, width, height, lines, rules)
    finally:
        page.close()


class _Turn:
    """From the coordinates of a page that is shown turned to those that a reader sees."""

    def __init__(self, degrees: int, width: float, height: float) -> None:
        self._degrees = degrees
        self._width = width
        self._height = height

    def turn(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """Left, bottom, right and top as shown."""
        if self._degrees == 90:
            return bottom, self._height - right, top, self._height - left
        if self._degrees == 180:
            return self._width - right, self._height - top, self._width - left, self._height - bottom
        if self._degrees == 270:
            return self._width - top, left, self._width - bottom, right
        return left, bottom, right, top


def _read_lines(text: Any, turn: _Turn) -> Iterator[Line]:
    """The lines as PDFium finds them, word by word."""
    import pypdfium2.raw as raw

    words: list[Word] = []
    chars: list[str] = []
    box: list[float] = []
    size = 0.0
    edges = [ctypes.c_double() for _ in range(4)]
    references = [ctypes.byref(edge) for edge in edges]

    def end_word() -> None:
        nonlocal box
        if chars:
            words.append(Word(_join_chars(chars), *turn.turn(box[0], box[1], box[2], box[3]), size))
            chars.clear()
        box = []

    for index in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(text, index)
        char = chr(code) if code < 0x110000 else "\ufffd"
        is_divided = char in _HYPHENS
        if is_divided and chars:
            chars.append("\u00ad")
        if char in "\r\n" or is_divided:
            end_word()
            if words:
                yield Line(tuple(words))
                words = []
        elif char.isspace():
            end_word()
        elif code == 0:
            continue
        else:
            if raw.FPDFText_GetCharBox(text, index, *references):
                left, right, bottom, top = (edge.value for edge in edges)
                box = [min(box[0], left), min(box[1], bottom), max(box[2], right), max(box[3], top)] if box else [
                    left, bottom, right, top,
                ]  # fmt: skip
            elif not box:
                continue
            if not chars:
                size = _find_size(text, index)
            chars.append(char)
    end_word()
    if words:
        yield Line(tuple(words))


def _find_size(text: Any, index: int) -> float:
    """The size of the font as shown. Files may state 1 and scale the page instead."""
    import pypdfium2.raw as raw

    size = raw.FPDFText_GetFontSize(text, index)
    box = raw.FS_RECTF()
    if raw.FPDFText_GetLooseCharBox(text, index, ctypes.byref(box)):
        height = abs(box.top - box.bottom)
        if height and not 0.6 < height / max(size, 0.01) < 2:
            return float(height / 1.15)
    return float(size)


def _join_chars(chars: list[str]) -> str:
    """A word; letters in the forms that fonts have for their neighbours become plain letters."""
    return _FORMS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), clean("".join(chars)))


def _read_rules(page: Any, turn: _Turn) -> Iterator[Rule]:
    """The straight lines of the page, among them the sides of rectangles."""
    import pypdfium2.raw as raw

    count = 0
    for item in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=4):
        for start, end in _read_segments(item):
            left, bottom, right, top = turn.turn(
                min(start[0], end[0]), min(start[1], end[1]), max(start[0], end[0]), max(start[1], end[1])
            )
            if right - left <= _THIN < top - bottom:
                yield Rule(True, (left + right) / 2, bottom, top)
            elif top - bottom <= _THIN < right - left:
                yield Rule(False, (bottom + top) / 2, left, right)
            count += 1
            if count > _MAX_RULES:
                return


def _read_segments(item: Any) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Start and end of the straight pieces of a path, in the coordinates of the page."""
    import pypdfium2.raw as raw

    matrix = item.get_matrix()
    x, y = ctypes.c_float(), ctypes.c_float()
    first = last = (0.0, 0.0)
    for index in range(min(raw.FPDFPath_CountSegments(item), _MAX_RULES)):
        segment = raw.FPDFPath_GetPathSegment(item, index)
        raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        point = matrix.on_point(x.value, y.value)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            first = point
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield last, point
        last = point
        if raw.FPDFPathSegment_GetClose(segment):
            yield last, first
            last = first
