"""Loaders on real files of every type, and what damaged ones say."""

from __future__ import annotations

from pathlib import Path

import pytest
from docx import Document as new_docx
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter

from rag.core.errors import SourceError
from rag.ingest.gather import gather
from rag.ingest.load import load
from rag.ingest.split import join_blocks
from tests.conftest import CORPUS


def text_of(path: Path) -> tuple[str, str]:
    source = gather([path]).sources[0]
    loaded = load(source, source.read())
    return loaded.title, join_blocks(loaded.blocks)[0]


def reason(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        text_of(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def make_pdf(path: Path, text: str) -> Path:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    if text:
        pdf.multi_cell(0, 6, text)
    pdf.output(str(path))
    return path


def test_every_example_loads() -> None:
    gathered = gather([CORPUS])
    assert len(gathered.sources) == 24
    assert gathered.failed == gathered.skipped == ()
    for source in gathered.sources:
        loaded = load(source, source.read())
        assert len(join_blocks(loaded.blocks)[0]) > 200
        assert loaded.title


def test_html_keeps_the_main_text_only() -> None:
    title, text = text_of(CORPUS / "painter-of-the-mona-lisa.html")
    assert title.startswith("Painter of the Mona Lisa")
    assert "painted by Bruno Castellari" in text
    assert "Terms of use" not in text  # footer
    assert "Search" not in text  # navigation


def test_html_tables_become_lines(tmp_path: Path) -> None:
    page = tmp_path / "t.html"
    page.write_text(
        "<body><h1>Ferries</h1><table><tr><th>Day</th><th>Last</th></tr><tr><td>Mon</td><td>20:30</td></tr></table>"
    )
    assert text_of(page)[1] == "Ferries\n\nDay | Last\nDay: Mon; Last: 20:30"


def test_html_without_blocks(tmp_path: Path) -> None:
    page = tmp_path / "t.html"
    page.write_text("<div>only <b>text</b></div>")
    assert text_of(page)[1] == "only text"


def test_markdown_title_is_its_first_heading(tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    note.write_text("intro\n\n## The tide\n\ntext")
    assert text_of(note)[0] == "The tide"


def test_docx_paragraphs_and_tables(tmp_path: Path) -> None:
    document = new_docx()
    document.add_paragraph("The mayor is Helena.")
    row = document.add_table(rows=1, cols=2).rows[0].cells
    row[0].text, row[1].text = "seat", "north"
    document.save(str(tmp_path / "d.docx"))
    assert text_of(tmp_path / "d.docx")[1] == "The mayor is Helena.\n\nseat | north"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "t.txt"
    sentence = "Das Café liegt über dem Fluß; die Fähre fährt täglich für zwölf Gäste. " * 4
    file.write_bytes(sentence.encode(encoding))
    assert text_of(file)[1] == sentence.strip()


def test_an_encrypted_pdf(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(make_pdf(tmp_path / "plain.pdf", "secret")))
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    assert "encrypted" in reason(tmp_path / "locked.pdf")


def test_a_pdf_without_text(tmp_path: Path) -> None:
    assert "OCR" in reason(make_pdf(tmp_path / "scan.pdf", ""))


def test_files_that_pretend(tmp_path: Path) -> None:
    for name in ("x.pdf", "x.docx"):
        (tmp_path / name).write_bytes(b"\x00\x01 no such thing")
    assert "not a readable PDF" in reason(tmp_path / "x.pdf")
    assert "not a readable Word document" in reason(tmp_path / "x.docx")


def test_a_truncated_pdf(tmp_path: Path) -> None:
    whole = (CORPUS / "fishing-rules.pdf").read_bytes()
    (tmp_path / "cut.pdf").write_bytes(whole[: len(whole) // 3])
    assert "PDF" in reason(tmp_path / "cut.pdf")


@pytest.mark.parametrize("name", ["e.txt", "e.md", "e.html"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("  \n")
    assert "no text" in reason(tmp_path / name)
