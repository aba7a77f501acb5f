"""Word: everything that is on the page, in its order."""

# ruff: noqa: E501  markup stands in long lines

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from docx import Document
from docx.oxml import parse_xml

from rag.core.errors import SourceError
from tests.rag.ingest.loaders.reading import kinds, read, texts

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def save(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def body(xml: str) -> bytes:
    """A document with this body."""
    document = Document()
    for element in parse_xml(f"<w:body {W}>{xml}</w:body>"):
        document.element.body.insert(len(document.element.body) - 1, element)
    return save(document)


def par(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_tracked_changes() -> None:
    deleted = "<w:del w:id='1'><w:r><w:delText>4 March</w:delText></w:r></w:del>"
    added = "<w:ins w:id='2'><w:r><w:t>19 June</w:t></w:r></w:ins>"
    xml = f"<w:p><w:r><w:t xml:space='preserve'>Deadline: </w:t></w:r>{deleted}{added}</w:p>"
    assert texts(read(".docx", body(xml))) == ["Deadline: 19 June"]


def test_content_controls_around_and_inside_paragraphs() -> None:
    inner = "<w:sdt><w:sdtContent><w:r><w:t>812</w:t></w:r></w:sdtContent></w:sdt>"
    xml = f"<w:sdt><w:sdtContent>{par('Keeper: Tarek')}</w:sdtContent></w:sdt><w:p>{inner}<w:r><w:t> crowns</w:t></w:r></w:p>"
    assert texts(read(".docx", body(xml))) == ["Keeper: Tarek", "812 crowns"]


def test_text_boxes_once() -> None:
    """Word writes them twice: for itself, and for older programs."""
    box = f"<w:txbxContent>{par('In the box.')}</w:txbxContent>"
    xml = (
        '<w:p><w:r><w:t>Before.</w:t></w:r><w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/'
        f'markup-compatibility/2006"><mc:Choice Requires="wps"><w:drawing>{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>'
        f"{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>{par('After.')}"
    )
    assert texts(read(".docx", body(xml))) == ["Before.", "In the box.", "After."]


def test_headers_and_footers_once() -> None:
    document = Document()
    document.add_paragraph("Text.")
    document.add_section()
    for section in document.sections:
        section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
        section.header.paragraphs[0].text, section.footer.paragraphs[0].text = "Contract HB-7731", "Signed by Orla Venn"
    assert texts(read(".docx", save(document))) == ["Contract HB-7731", "Text.", "Signed by Orla Venn"]


def test_tables_where_they_stand_with_their_headings() -> None:
    document = Document()
    document.add_heading("Contract", 1)
    for fee in ("17 crowns", "93 crowns"):
        document.add_paragraph(f"Section {fee[:2]}")
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip(table._cells, ("Berth", "Fee", "North", fee), strict=True):
            cell.text = text
    assert texts(read(".docx", save(document))) == [
        "Contract",
        "Section 17",
        "Berth | Fee",
        "Berth: North; Fee: 17 crowns",
        "Section 93",
        "Berth | Fee",
        "Berth: North; Fee: 93 crowns",
    ]


def test_nested_tables_and_merged_cells() -> None:
    document = Document()
    outer = document.add_table(rows=1, cols=1)
    outer.cell(0, 0).text = "Outer"
    inner = outer.cell(0, 0).add_table(rows=3, cols=2)
    for cell, text in zip(inner._cells, ("Pier", "Price", "East", "5", "", "7"), strict=True):
        cell.text = text
    inner.cell(1, 0).merge(inner.cell(2, 0))
    assert texts(read(".docx", save(document))) == [
        "Outer",
        "Pier | Price",
        "Pier: East; Price: 5",
        "Pier: East; Price: 7",
    ]


def test_headings_and_lists() -> None:
    document = Document()
    document.add_heading("Harbour", 0)
    document.add_heading("Rules", 2)
    document.add_paragraph("first", style="List Number")
    document.add_paragraph("second", style="List Number")
    document.add_paragraph("deep", style="List Bullet")
    read_again = read(".docx", save(document))
    assert read_again.title == "Harbour"
    assert kinds(read_again) == [
        ("heading", 1, "Harbour"),
        ("heading", 2, "Rules"),
        ("item", 1, "1. first"),
        ("item", 1, "2. second"),
        ("item", 1, "deep"),
    ]


def test_hidden_text_and_field_codes() -> None:
    hidden = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>"
    assert texts(read(".docx", body(f"<w:p>{hidden}<w:r><w:t>yes</w:t></w:r></w:p>"))) == ["yes"]


def damaged(name: str, change: Any) -> bytes:
    """A file with a header, one part of it changed or, with ``None``, removed."""
    document = Document()
    document.add_paragraph("Text.")
    document.sections[0].header.paragraphs[0].text = "Header."
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(save(document))) as archive, zipfile.ZipFile(out, "w") as copy:
        for part in archive.namelist():
            content = archive.read(part)
            if part != name:
                copy.writestr(part, content)
            elif change is not None:
                copy.writestr(part, change(content))
    return out.getvalue()


def test_damage_that_the_text_survives_is_noted() -> None:
    document = read(".docx", damaged("word/_rels/document.xml.rels", lambda content: content[:80]))
    assert texts(document) == ["Header.", "Text."]
    assert document.notes == ("its part word/_rels/document.xml.rels is damaged and left out",)
    assert texts(read(".docx", damaged("word/styles.xml", lambda content: b"<"))) == ["Header.", "Text."]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (damaged("word/document.xml", None), "it lacks its part word/document.xml"),
        (damaged("word/document.xml", lambda content: content[:300]), "not a readable Word document"),
        (damaged("", None)[:4000], "not a readable Word document"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "encrypted or of the old binary format"),
        (b"", "not a readable Word document"),
    ],
)
def test_damage_that_ends_it(content: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        read(".docx", content)
    assert "\n" not in str(caught.value)


def test_a_part_that_expands_without_measure() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (129 * 2**20))
    with pytest.raises(SourceError, match="expands to more than 128 MiB"):
        read(".docx", out.getvalue())


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    xml = f"{bomb}<w:document {W}><w:body><w:p><w:r><w:t>x&b;y</w:t></w:r></w:p></w:body></w:document>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", xml)
    assert "ha" not in "".join(texts(read(".docx", out.getvalue())))
