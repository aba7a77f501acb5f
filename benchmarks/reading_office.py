"""The Word, PowerPoint, Excel and PDF files of the reading benchmark."""

# ruff: noqa: E501  markup stands in long lines

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.reading_facts import Case, Cell, Facts, list_cells

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_FONTS = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def _xml(text: str) -> Any:
    from docx.oxml import parse_xml

    return parse_xml(text.replace("<w:", "<w:", 1).replace(">", f' xmlns:w="{_W}">', 1))


def _save(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _add_docx_table(document: Any, table: Sequence[Sequence[str]]) -> Any:
    shape = document.add_table(rows=len(table), cols=len(table[0]))
    for row, cells in zip(table, shape.rows, strict=True):
        for text, cell in zip(row, cells.cells, strict=True):
            cell.text = text
    return shape


def make_docx(facts: Facts) -> list[Case]:
    """Headings, lists, header and footer, insertions, controls, a text box, tables in place, nested and merged ones."""
    from docx import Document

    s, table, small = facts.sentences(14), facts.table(40), facts.table(6)
    document = Document()
    document.sections[0].header.paragraphs[0].text = s[0]
    document.sections[0].footer.paragraphs[0].text = s[13]
    document.add_heading("Harbour", 1)
    document.add_paragraph(s[1])
    document.add_paragraph(s[2], style="List Bullet")
    document.add_paragraph(s[3], style="List Number 2")
    _add_docx_table(document, table)
    body = document.element.body
    paragraph = document.add_paragraph("")._p
    paragraph.append(_xml(f'<w:ins w:id="1" w:author="A"><w:r><w:t>{s[4]}</w:t></w:r></w:ins>'))
    paragraph.append(_xml('<w:del w:id="2" w:author="A"><w:r><w:delText>DELETED TEXT</w:delText></w:r></w:del>'))
    control = f"<w:sdt><w:sdtPr/><w:sdtContent><w:p><w:r><w:t>{s[5]}</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    body.insert(len(body) - 1, _xml(control))
    box = document.add_paragraph(s[6])._p
    box.append(
        _xml(
            '<w:r><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml"><v:textbox><w:txbxContent><w:p><w:r>'
            f"<w:t>{s[7]}</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
        )
    )
    document.add_paragraph("")._p.append(_xml("<w:r><w:rPr><w:vanish/></w:rPr><w:t>HIDDEN TEXT</w:t></w:r>"))
    outer = document.add_table(rows=2, cols=2)
    outer.cell(0, 0).text = s[8]
    inner = outer.cell(1, 1).add_table(rows=len(small), cols=len(small[0]))
    for row, cells in zip(small, inner.rows, strict=True):
        for text, cell in zip(row, cells.cells, strict=True):
            cell.text = text
    document.add_paragraph(s[9]).add_run().add_break()
    document.add_heading(s[10], 2)
    run = document.add_paragraph(s[11][:20])
    run.add_run(s[11][20:]).bold = True
    document.add_paragraph(s[12])
    merged, cells = _make_merged_docx(facts)
    absent = ("DELETED TEXT", "HIDDEN TEXT")
    return [
        Case("all kinds", ".docx", _save(document), tuple(s), list_cells(table) + list_cells(small), absent),
        Case("merged cells", ".docx", merged, (), cells),
    ]


def _make_merged_docx(facts: Facts) -> tuple[bytes, tuple[Cell, ...]]:
    """A heading over two columns, and names that span two rows."""
    from docx import Document

    document = Document()
    shape = document.add_table(rows=42, cols=4)
    shape.cell(0, 2).merge(shape.cell(0, 3)).text = "Price"
    for column, text in enumerate(("Place", "Season", "2023", "2024")):
        shape.cell(1, column).text = text
    cells = []
    for pier in range(20):
        top = shape.cell(2 + 2 * pier, 0).merge(shape.cell(3 + 2 * pier, 0))
        top.text = f"Pier {pier}"
        for half, season in enumerate(("winter", "summer")):
            row = 2 + 2 * pier + half
            shape.cell(row, 1).text = season
            for column, year in ((2, "2023"), (3, "2024")):
                value = facts.table(1)[1][1]
                shape.cell(row, column).text = value
                cells.append(Cell(f"Pier {pier}", year, value))
    return _save(document), tuple(cells)


def make_pptx(facts: Facts) -> list[Case]:
    """Titles, levels, groups, tables, charts, notes."""
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    s, table = facts.sentences(8), facts.table(25)
    show = Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = s[0]
    frame = first.placeholders[1].text_frame
    frame.text = s[1]
    frame.add_paragraph().text = s[2]
    frame.paragraphs[1].level = 1
    first.notes_slide.notes_text_frame.text = s[3]
    second = show.slides.add_slide(show.slide_layouts[6])
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(3), Inches(1)).text_frame.text = s[4]
    grid = second.shapes.add_table(len(table), len(table[0]), 0, 0, Inches(8), Inches(5)).table
    for i, row in enumerate(table):
        for j, text in enumerate(row):
            grid.cell(i, j).text = text
    second.shapes.add_textbox(0, 0, Inches(3), Inches(1)).text_frame.text = s[5]
    third = show.slides.add_slide(show.slide_layouts[5])
    third.shapes.title.text = s[6]
    data = CategoryChartData()
    data.categories = ["Norvik", "Selwick", "Harbyur"]
    data.add_series("Cranes", (41, 52, 63))
    data.add_series("Barges", (74, 85, 96))
    third.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(5), Inches(4), data)
    third.shapes.add_textbox(0, 0, Inches(3), Inches(1)).text_frame.text = s[7]
    chart = (Cell("Norvik", "Cranes", "41"), Cell("Harbyur", "Barges", "96"))
    return [Case("all kinds", ".pptx", _save(show), tuple(s), list_cells(table) + chart)]


def make_xlsx(facts: Facts) -> list[Case]:
    """Two sheets; a title above a table, merged headings, dates, percentages, amounts, a gap, an empty corner."""
    from openpyxl import Workbook

    s, table = facts.sentences(3), facts.table(60)
    book = Workbook()
    sheet = book.active
    sheet.title = "Fees"
    sheet["A1"] = s[0]
    sheet.merge_cells("A1:D1")
    for i, row in enumerate(table):
        for j, text in enumerate(row):
            sheet.cell(3 + i, 1 + j).value = float(text) if i and j in (1, 2) else text
    cells = [
        Cell(c.row, c.column, f"{float(c.value):g}" if c.column in ("Fee", "Depth") else c.value)
        for c in list_cells(table)
    ]
    sheet.cell(len(table) + 5, 1).value = s[1]
    other = book.create_sheet("Shares")
    other["C1"] = "Price"
    other.merge_cells("C1:D1")
    for column, text in enumerate(("Place", "Since", "2023", "2024", "Share"), start=1):
        other.cell(2, column).value = int(text) if text.isdigit() else text
    for number in range(1, 31):
        values = (f"Pier {number}", date(2024, 3, number), 100 + number, 200.5 + number, number / 80)
        for column, value in enumerate(values, start=1):
            other.cell(2 + number, column).value = value
        other.cell(2 + number, 4).number_format = '#,##0.00 "kr"'
        other.cell(2 + number, 5).number_format = "0.00%"
        shown = {
            "Since": f"2024-03-{number:02}",
            "2023": str(100 + number),
            "2024": f"{200.5 + number:.2f} kr",
            "Share": f"{number / 0.8:.2f}%",
        }
        cells += [Cell(f"Pier {number}", name, text) for name, text in shown.items()]
    other["A40"] = s[2]
    return [Case("two sheets", ".xlsx", _save(book), tuple(s), tuple(cells))]


def make_pdf(facts: Facts) -> list[Case]:
    """Paragraphs over lines and pages, two columns in both orders, ruled and unruled tables, fonts, headers, scripts."""
    return [
        _make_pdf_columns(facts, is_interleaved=False),
        _make_pdf_columns(facts, is_interleaved=True),
        _make_pdf_pages(facts),
        _make_pdf_table(facts, is_ruled=True),
        _make_pdf_table(facts, is_ruled=False),
        _make_pdf_wrapped(facts),
        _make_pdf_flow(facts),
        _make_pdf_report(facts),
        _make_pdf_scripts(),
    ]


def _wrap(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) > width:
            lines.append(line.strip())
            line = ""
        line += word + " "
    return [*lines, line.strip()]


def _make_pdf_columns(facts: Facts, is_interleaved: bool) -> Case:
    """Two columns, written one after the other or line by line across the page."""
    from reportlab.pdfgen.canvas import Canvas

    columns = [facts.sentences(14), facts.sentences(14)]
    lines = [_wrap(" ".join(column), 44)[:40] for column in columns]
    out = io.BytesIO()
    page = Canvas(out, pagesize=(595, 842))
    page.setFont("Times-Roman", 11)
    places = [(50 + 260 * i, 760 - 14 * j, text) for i, column in enumerate(lines) for j, text in enumerate(column)]
    for x, y, text in sorted(places, key=lambda place: -place[1]) if is_interleaved else places:
        page.drawString(x, y, text)
    page.save()
    whole = [" ".join(column) for column in lines]
    planted = [s for column, text in zip(columns, whole, strict=True) for s in column if s in text]
    return Case(f"columns {'line by line' if is_interleaved else 'in turn'}", ".pdf", out.getvalue(), tuple(planted))


def _make_pdf_pages(facts: Facts) -> Case:
    """Four pages with a heading each, header, footer, page numbers, words divided at the end of lines."""
    from reportlab.pdfgen.canvas import Canvas

    out, planted = io.BytesIO(), []
    page = Canvas(out, pagesize=(595, 842))
    for number in range(1, 5):
        page.setFont("Helvetica", 9)
        page.drawString(60, 810, "Annual report of the harbour")
        page.drawString(290, 30, f"Page {number} of 4")
        page.setFont("Helvetica-Bold", 18)
        page.drawString(60, 770, f"Chapter {number}")
        page.setFont("Helvetica", 11)
        y = 740
        for paragraph in (facts.sentences(3), facts.sentences(4)):
            planted += paragraph
            lines = _wrap(" ".join(paragraph), 80)
            lines = [line.replace("inspected", "inspec-\nted") for line in lines]
            for line in "\n".join(lines).split("\n"):
                page.drawString(60, y, line)
                y -= 14
            y -= 12
        page.showPage()
    page.save()
    return Case("pages", ".pdf", out.getvalue(), tuple(planted))


def _make_pdf_table(facts: Facts, is_ruled: bool) -> Case:
    """A table over two pages, with a sentence before and behind."""
    from reportlab.lib import colors
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

    s, table = facts.sentences(2), facts.table(60)
    style = getSampleStyleSheet()["Normal"]
    rules = (
        [("GRID", (0, 0), (-1, -1), 0.5, colors.black)]
        if is_ruled
        else [("LINEBELOW", (0, 0), (-1, 0), 1, colors.black)]
    )
    out = io.BytesIO()
    shape = Table(table, repeatRows=1, style=TableStyle(rules))
    SimpleDocTemplate(out).build([Paragraph(s[0], style), shape, Paragraph(s[1], style)])
    return Case(f"table {'with' if is_ruled else 'without'} lines", ".pdf", out.getvalue(), tuple(s), list_cells(table))


def _make_pdf_wrapped(facts: Facts) -> Case:
    """A table with cells of several lines and empty cells, without rules, its headings on the first page only."""
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

    style = getSampleStyleSheet()["BodyText"]
    table = facts.table(50)
    shown = [
        [cell if (i + j) % 5 or not i or not j else "" for j, cell in enumerate(row)] for i, row in enumerate(table)
    ]
    rows = [[Paragraph(cell, style) for cell in shown[0]]]
    for row in shown[1:]:
        keeper = f"{row[3]} who lives near the old lighthouse on the hill" if row[3] else ""
        rows.append([Paragraph(cell, style) for cell in (*row[:3], keeper)])
    out = io.BytesIO()
    shape = Table(rows, colWidths=[110, 60, 60, 110], style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")]))
    SimpleDocTemplate(out).build([shape])
    return Case("wrapped cells", ".pdf", out.getvalue(), (), list_cells(shown))


def _make_pdf_flow(facts: Facts) -> Case:
    """A title over three columns of running text."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph

    s, styles, out = facts.sentences(60), getSampleStyleSheet(), io.BytesIO()
    document = BaseDocTemplate(out, pagesize=A4)
    width = document.width / 3
    edges = [document.leftMargin + i * width for i in range(3)]
    frames = [Frame(edge, document.bottomMargin, width - 12, document.height) for edge in edges]
    document.addPageTemplates([PageTemplate(frames=frames)])
    parts = [Paragraph(" ".join(s[i : i + 3]), styles["BodyText"]) for i in range(0, len(s), 3)]
    document.build([Paragraph("Report on harbours", styles["Title"]), *parts])
    return Case("three columns", ".pdf", out.getvalue(), tuple(s))


def _make_pdf_report(facts: Facts) -> Case:
    """Flowing text by another writer: headings, a list, a table with wrapped cells, an embedded font."""
    from fpdf import FPDF

    s, table = facts.sentences(10), facts.table(30)
    pdf = FPDF()
    pdf.add_page()
    if _FONTS.is_file():
        pdf.add_font("body", fname=str(_FONTS))
        pdf.add_font("body", style="B", fname=str(_FONTS))
    font = "body" if _FONTS.is_file() else "Helvetica"
    pdf.set_font(font, size=20)
    pdf.multi_cell(0, 10, "Harbour report", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(font, size=11)
    for sentence in s[:4]:
        pdf.multi_cell(0, 6, sentence, align="J", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(3)
    for sentence in s[4:7]:
        pdf.multi_cell(0, 6, f"• {sentence}" if font == "body" else f"- {sentence}", new_x="LMARGIN", new_y="NEXT")
    with pdf.table() as grid:
        for row in table:
            grid.row(row)
    for sentence in s[7:]:
        pdf.multi_cell(0, 6, sentence, new_x="LMARGIN", new_y="NEXT")
    return Case("report", ".pdf", bytes(pdf.output()), tuple(s), list_cells(table))


def _make_pdf_scripts() -> Case:
    """Chinese, Japanese and Korean in the fonts that readers bring along, Cyrillic and Greek in an embedded one."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    from benchmarks.reading_facts import SCRIPTS

    fonts = {"chinese": "STSong-Light", "japanese": "HeiseiMin-W3", "korean": "HYSMyeongJo-Medium"}
    for font in fonts.values():
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    if _FONTS.is_file():
        pdfmetrics.registerFont(TTFont("embedded", str(_FONTS)))
        fonts |= {"cyrillic": "embedded", "greek": "embedded", "latin": "embedded"}
    out, y, planted = io.BytesIO(), 780, []
    page = Canvas(out, pagesize=(595, 842))
    for script, font in fonts.items():
        page.setFont(font, 12)
        for sentence in SCRIPTS[script][0]:
            page.drawString(60, y, sentence)
            planted.append(sentence)
            y -= 20
    page.save()
    return Case("scripts", ".pdf", out.getvalue(), tuple(planted))


OFFICE_WRITERS: dict[str, Callable[[Facts], list[Case]]] = {
    "docx": make_docx,
    "pptx": make_pptx,
    "xlsx": make_xlsx,
    "pdf": make_pdf,
}
