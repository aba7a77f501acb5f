"""PDF: pages, encryption, odd fonts, layout."""

# ruff: noqa: E501  markup stands in long lines

from __future__ import annotations

import io

import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen.canvas import Canvas

from rag.core.errors import SourceError
from tests.conftest import CORPUS
from tests.rag.ingest.loaders.reading import kinds, read, texts


def draw(*texts: tuple[float, float, str], size: float = 11, pages: int = 1, title: str = "") -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595, 842))
    canvas.setTitle(title)
    for _ in range(pages):
        canvas.setFont("Helvetica", size)
        for x, y, text in texts:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_files_encrypted_for_permissions_only_are_open(algorithm: str) -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(draw((60, 700, "The gate was built in 1911.")))))
    writer.encrypt("", owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    assert texts(read(".pdf", out.getvalue())) == ["The gate was built in 1911."]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_files_with_a_password_are_refused(algorithm: str) -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(draw((60, 700, "secret")))))
    writer.encrypt("password", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(SourceError, match="encrypted"):
        read(".pdf", out.getvalue())


def with_map(target: str) -> bytes:
    """A page whose font says that the letter ``Z`` means the UTF-16 code ``target``."""
    out = io.BytesIO()
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(draw((60, 700, "The mast Z is 41 metres high.")))))
    from pypdf.generic import NameObject, StreamObject

    stream = StreamObject()
    stream.set_data(
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> endcodespacerange "
        b"1 beginbfchar <5A> <" + target.encode() + b"> endbfchar endcmap end end"
    )
    fonts = writer.pages[0]["/Resources"]["/Font"]  # type: ignore[index]
    for font in fonts.values():
        font.get_object()[NameObject("/ToUnicode")] = writer._add_object(stream)
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("target", "shown"), [("D835", "\ufffd"), ("0000", ""), ("FB03", "ffi"), ("D83DDE00", "\U0001f600")]
)
def test_fonts_with_odd_maps(target: str, shown: str) -> None:
    text = texts(read(".pdf", with_map(target)))[0]
    text.encode()
    assert "\0" not in text
    assert text in (f"The mast {shown} is 41 metres high.".replace("  ", " "), "The mast Z is 41 metres high.")


def test_words_divided_at_the_end_of_a_line() -> None:
    content = draw((60, 700, "The clerk inspec-"), (60, 686, "ted the North-"), (60, 672, "South line."))
    assert texts(read(".pdf", content)) == ["The clerk inspected the North-South line."]


def test_what_each_page_repeats_stands_once() -> None:
    content = draw((60, 810, "Annual report"), (60, 500, "Text of the page."), (290, 30, "Page 3 of 4"), pages=4)
    assert texts(read(".pdf", content)).count("Annual report") == 1
    assert "Page 3 of 4" not in texts(read(".pdf", content))
    assert [block.location for block in read(".pdf", content).blocks[-2:]] == ["page 3", "page 4"]


def test_headings_are_larger() -> None:
    out = io.BytesIO()
    canvas = Canvas(out)
    for y, size, text in (
        (780, 20, "Harbour"),
        (740, 14, "Fees"),
        (715, 10, "A berth costs 17 crowns a day, paid at noon."),
    ):
        canvas.setFont("Helvetica", size)
        canvas.drawString(60, y, text)
    canvas.save()
    document = read(".pdf", out.getvalue())
    assert document.title == "Harbour"
    assert [kind[:2] for kind in kinds(document)] == [("heading", 1), ("heading", 2), ("paragraph", 0)]


@pytest.mark.parametrize("title", ["Tides of 2024", "report-final.docx", "untitled", "Microsoft Word - x.doc"])
def test_titles_that_programs_leave_are_none(title: str) -> None:
    document = read(".pdf", draw((60, 700, "Text."), title=title))
    assert document.title == (title if title == "Tides of 2024" else "")


def test_turned_pages() -> None:
    writer = PdfWriter(
        clone_from=PdfReader(io.BytesIO(draw((60, 700, "First line of it."), (60, 686, "and the second."))))
    )
    writer.pages[0].rotate(90)
    out = io.BytesIO()
    writer.write(out)
    assert "First line of it." in " ".join(texts(read(".pdf", out.getvalue())))


def test_pages_without_text_are_named() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.cell(text="Text.")
    pdf.add_page()
    document = read(".pdf", bytes(pdf.output()))
    assert texts(document) == ["Text."]
    assert document.notes == ("there is no text on page 2 (scanned pages need OCR first)",)


def test_forms_are_read_with_what_was_written_into_them() -> None:
    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.drawString(60, 700, "Name of the boat:")
    canvas.acroForm.textfield(name="boat", value="Blue Heron", x=200, y=690, width=150, height=20)
    canvas.save()
    assert "Blue Heron" in " ".join(texts(read(".pdf", out.getvalue())))


def test_cut_files() -> None:
    whole = (CORPUS / "fishing-rules.pdf").read_bytes()
    for content in (whole[: len(whole) // 3], b"%PDF-1.7 nothing", b""):
        with pytest.raises(SourceError, match="PDF"):
            read(".pdf", content)


def lay_out_table(columns: tuple[int, ...], rows: list[tuple[str, ...]], per_page: int) -> bytes:
    """A table without lines, its headings on the first page only, a footer on each."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595, 842))
    for start in range(0, len(rows), per_page):
        for i, row in enumerate(rows[start : start + per_page]):
            for x, text in zip(columns, row, strict=True):
                canvas.drawString(x, 780 - 16 * i, text)
        canvas.drawString(60, 30, f"Harbour office, page {start // per_page + 1}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def test_tables_without_lines_go_on_over_pages() -> None:
    rows = [("Berth", "Fee", "Keeper"), *((f"Quay {i}", str(i * 7), "Ada Brandt") for i in range(20))]
    content = lay_out_table((60, 200, 300), rows, 10)
    document = read(".pdf", content)
    assert [block.text for block in document.blocks if block.kind == "row"][1:] == [
        f"Berth: Quay {i}; Fee: {i * 7}; Keeper: Ada Brandt" for i in range(20)
    ]
    assert document.blocks[-1].location == "page 3"


def test_columns_of_text_are_no_table() -> None:
    left, right = "The winch of the east pier was", "moved to the yard in May by Ada"
    content = draw(*((x, 780 - 14 * i, text) for i in range(8) for x, text in ((60, left), (320, right))))
    assert [block.text for block in read(".pdf", content).blocks] == [" ".join([left] * 8 + [right] * 8)]
