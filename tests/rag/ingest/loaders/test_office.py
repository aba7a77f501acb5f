"""Slides, sheets, OpenDocument, EPUB, mail and RTF: what the planted files do not show."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import pytest
from openpyxl import Workbook

from benchmarks.reading_files import make_epub, make_zip
from rag.core.errors import SourceError
from rag.ingest.loaders.numbers import show_number
from tests.rag.ingest.loaders.reading import kinds, read, texts


@pytest.mark.parametrize(
    ("value", "style", "shown"),
    [
        ("12", "General", "12"),
        ("0.1", "0", "0.1"),
        ("0.125", "0.0%", "12.5%"),
        ("0.3", "9", "30%"),
        ("1234.5", '#,##0.00 "kr"', "1234.50 kr"),
        ("7", '"€"0.00', "€7.00"),
        ("45354", "14", "2024-03-03"),
        ("45354.5", "dd/mm/yyyy hh:mm", "2024-03-03 12:00"),
        ("0.854166666666667", "h:mm", "20:30"),
        ("1.5", "[h]:mm", "36:00"),
        ("1e300", "yyyy", "1e+300"),
        ("abc", "General", "abc"),
    ],
)
def test_numbers_as_cells_show_them(value: str, style: str, shown: str) -> None:
    assert show_number(value, style) == shown


def save(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_sheets_have_places_and_names() -> None:
    book = Workbook()
    book.active.title = "Prices"
    for row in (["Berth", "Fee"], ["North", 17], ["South", "=1+1"]):
        book.active.append(row)
    book.create_sheet("Notes")["B2"] = "closed in May"
    document = read(".xlsx", save(book))
    assert [(block.location, block.text) for block in document.blocks] == [
        ("sheet Prices", "Prices"),
        ("sheet Prices, row 1", "Berth | Fee"),
        ("sheet Prices, row 2", "Berth: North; Fee: 17"),
        ("sheet Prices, row 3", "Berth: South; Fee: =1+1"),
        ("sheet Notes", "Notes"),
        ("sheet Notes, row 2", "closed in May"),
    ]


def test_slides_have_places() -> None:
    pptx = pytest.importorskip("pptx")
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Tides", "High at noon"
    slide.notes_slide.notes_text_frame.text = "Say it slowly"
    out = io.BytesIO()
    show.save(out)
    document = read(".pptx", out.getvalue())
    assert kinds(document) == [("heading", 1, "Tides"), ("item", 1, "High at noon"), ("paragraph", 0, "Say it slowly")]
    assert [block.location for block in document.blocks] == ["slide 1", "slide 1", "slide 1, notes"]


def test_books_without_a_chapter_that_they_list() -> None:
    from benchmarks.reading_facts import Facts

    whole = make_epub(Facts(1))[0].content
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts: dict[str, str | bytes] = {
            name: archive.read(name) for name in archive.namelist() if "a.xhtml" not in name
        }
    document = read(".epub", make_zip(parts))
    assert document.title == "Harbour tales"
    assert document.notes == ("its chapter text/a.xhtml is missing",)
    with pytest.raises(SourceError, match="it lacks the list of its chapters"):
        read(".epub", make_zip({"mimetype": "application/epub+zip"}))


def mail(text: str, **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"] = "Fees", "ada@example.org"
    for name, value in headers.items():
        message[name] = value
    message.set_content(text)
    return message


def test_mail_has_a_head_a_date_and_attachments_with_places() -> None:
    message = mail("Dear all", Date="Tue, 14 May 2024 23:30:00 -0500")
    message.add_attachment(b"Berth,Fee\nNorth,17\n", maintype="text", subtype="csv", filename="fees.csv")
    message.add_attachment(b"\x00\x01", maintype="application", subtype="pdf", filename="bad.pdf")
    message.add_attachment(b"\x00\x01", maintype="image", subtype="png", filename="gull.png")
    document = read(".eml", message.as_bytes())
    assert (document.title, document.date) == ("Fees", "2024-05-14")
    assert [(block.location, block.text) for block in document.blocks] == [
        ("", "Fees"),
        ("", "From: ada@example.org"),
        ("", "Date: Tue, 14 May 2024 23:30:00 -0500"),
        ("", "Dear all"),
        ("attachment fees.csv", "Attachment: fees.csv"),
        ("attachment fees.csv, row 1", "Berth | Fee"),
        ("attachment fees.csv, row 2", "Berth: North; Fee: 17"),
        ("attachment bad.pdf", "Attachment: bad.pdf"),
        ("attachment gull.png", "Attachment: gull.png"),
    ]
    assert "bad.pdf could not be read" in document.notes[0]


def test_of_two_forms_of_a_mail_one_is_read() -> None:
    message = mail("Plain form")
    message.add_alternative("<p>Rich form</p>", subtype="html")
    assert texts(read(".eml", message.as_bytes()))[-1] == "Plain form"
    table = mail("Berth Fee North 17")
    table.add_alternative("<table><tr><th>Berth<th>Fee<tr><td>North<td>17</table>", subtype="html")
    assert texts(read(".eml", table.as_bytes()))[-1] == "Berth: North; Fee: 17"


@pytest.mark.parametrize("content", ["", "no mail at all", "a: b\n\nc"])
def test_what_is_no_mail(content: str) -> None:
    with pytest.raises(SourceError, match="not a mail"):
        read(".eml", content)


def test_mails_inside_mails_without_end() -> None:
    content = b"Subject: x\nFrom: a@b.c\nContent-Type: message/rfc822\n\n" * 3000 + b"deep"
    with pytest.raises(SourceError, match="not a readable mail"):
        read(".eml", content)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"{\b Bold} and \'e9t\'e9\par next", ["Bold and été", "next"]),
        (r"\u-10179?\u-8704?\par", ["\U0001f600"]),
        (r"\uc2\u233??x", ["éx"]),
        (r"{\upr{old}{\*\ud{new}}}", ["new"]),
        (r"{\*\unknown no}{\pict 00ff}{\v no}yes", ["yes"]),
        (r"a{\footnote note}b\par c", ["ab", "note", "c"]),
        (r"\trowd\pard\intbl A\cell B\cell\row\trowd\intbl 1\cell 2\cell\row\pard end", ["A | B", "A: 1; B: 2", "end"]),
        (r"}}}} text {{{", ["text"]),
        (r"\bin5 \{\}\{x", ["x"]),
    ],
)
def test_rtf(body: str, expected: list[str]) -> None:
    assert texts(read(".rtf", "{\\rtf1\\ansi\\ansicpg1252 " + body + "}")) == expected


def test_rtf_headings_come_from_styles() -> None:
    styles = r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}}"
    document = read(".rtf", "{\\rtf1" + styles + r"\pard plain\par\pard\s1 Tides\par}")
    assert kinds(document) == [("paragraph", 0, "plain"), ("heading", 1, "Tides")]


def test_encrypted_opendocument() -> None:
    name = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    manifest = f'<m:manifest xmlns:m="{name}"><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>'
    with pytest.raises(SourceError, match="encrypted"):
        read(".odt", make_zip({"META-INF/manifest.xml": manifest, "content.xml": b"\x00"}))
