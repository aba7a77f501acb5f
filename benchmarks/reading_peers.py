"""What other libraries read from the same files, as a person would call them first."""

from __future__ import annotations

import importlib
import io
import json
import re
from collections.abc import Callable

Peer = Callable[[bytes], str]


def _docx_python(content: bytes) -> str:
    from docx import Document

    document = Document(io.BytesIO(content))
    parts = []
    for item in document.iter_inner_content():
        if hasattr(item, "rows"):
            parts += [" | ".join(cell.text for cell in row.cells) for row in item.rows]
        else:
            parts.append(item.text)
    return "\n\n".join(parts)


def _docx2python(content: bytes) -> str:
    docx2python = importlib.import_module("docx2python").docx2python
    with docx2python(io.BytesIO(content)) as document:
        return str(document.text)


def _mammoth(content: bytes) -> str:
    return str(importlib.import_module("mammoth").extract_raw_text(io.BytesIO(content)).value)


def _markitdown(suffix: str) -> Peer:
    def read(content: bytes) -> str:
        module = importlib.import_module("markitdown")
        return str(module.MarkItDown().convert_stream(io.BytesIO(content), file_extension=suffix).text_content)

    return read


def _pypdf(content: bytes) -> str:
    from pypdf import PdfReader

    return "\n\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def _pdfium(content: bytes) -> str:
    from pypdfium2 import PdfDocument

    return "\n\n".join(page.get_textpage().get_text_range() for page in PdfDocument(content))


def _pdfplumber(content: bytes) -> str:
    """Text, then the tables that it finds, row by row."""
    with importlib.import_module("pdfplumber").open(io.BytesIO(content)) as document:
        parts = []
        for page in document.pages:
            parts.append(page.extract_text())
            parts += [" | ".join(cell or "" for cell in row) for table in page.extract_tables() for row in table]
    return "\n\n".join(parts)


def _pdfminer(content: bytes) -> str:
    return str(importlib.import_module("pdfminer.high_level").extract_text(io.BytesIO(content)))


def _pptx(content: bytes) -> str:
    presentation = importlib.import_module("pptx").Presentation(io.BytesIO(content))
    parts = []
    for slide in presentation.slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                parts.append(shape.text_frame.text)
            if shape.has_table:
                parts += [" | ".join(cell.text for cell in row.cells) for row in shape.table.rows]
        if slide.has_notes_slide:
            parts.append(slide.notes_slide.notes_text_frame.text)
    return "\n\n".join(parts)


def _openpyxl(content: bytes) -> str:
    book = importlib.import_module("openpyxl").load_workbook(io.BytesIO(content), data_only=True)
    rows = (row for sheet in book for row in sheet.iter_rows(values_only=True))
    return "\n".join(" | ".join(str(value) for value in row if value is not None) for row in rows)


def _calamine(content: bytes) -> str:
    book = importlib.import_module("python_calamine").CalamineWorkbook.from_filelike(io.BytesIO(content))
    rows = (row for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python())
    return "\n".join(" | ".join(str(value) for value in row if value != "") for row in rows)


def _pandas_excel(content: bytes) -> str:
    frames = importlib.import_module("pandas").read_excel(io.BytesIO(content), sheet_name=None, engine="openpyxl")
    return "\n\n".join(frame.to_string() for frame in frames.values())


def _pandas_csv(content: bytes) -> str:
    frame = importlib.import_module("pandas").read_csv(io.BytesIO(content), sep=None, engine="python")
    return str(frame.to_string())


def _stdlib_csv(content: bytes) -> str:
    import csv

    text = content.decode("utf-8-sig")
    dialect = csv.Sniffer().sniff(text[:2000])
    return "\n".join(" | ".join(row) for row in csv.reader(io.StringIO(text), dialect))


def _clevercsv(content: bytes) -> str:
    module = importlib.import_module("clevercsv")
    text = content.decode("utf-8-sig")
    dialect = module.Sniffer().sniff(text[:5000])
    return "\n".join(" | ".join(row) for row in module.reader(io.StringIO(text, newline=""), dialect))


def _bs4(content: bytes) -> str:
    from bs4 import BeautifulSoup

    return str(BeautifulSoup(content, "html.parser").get_text("\n"))


def _selectolax(content: bytes) -> str:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(content)
    tree.strip_tags(["script", "style", "nav"])
    return tree.body.text(separator="\n") if tree.body else ""


def _html5lib(content: bytes) -> str:
    tree = importlib.import_module("html5lib").parse(content, namespaceHTMLElements=False)
    return "\n".join(text for text in tree.itertext() if text.strip())


def _trafilatura(content: bytes) -> str:
    return str(importlib.import_module("trafilatura").extract(content, include_tables=True, favor_recall=True) or "")


def _inscriptis(content: bytes) -> str:
    return str(importlib.import_module("inscriptis").get_text(content.decode("utf-8", "replace")))


def _html_text(content: bytes) -> str:
    return str(importlib.import_module("html_text").extract_text(content.decode("utf-8", "replace")))


def _strip_html(markup: str) -> str:
    return _selectolax(markup.encode())


def _markdown_it(content: bytes) -> str:
    from markdown_it import MarkdownIt

    return _strip_html(MarkdownIt().enable("table").render(content.decode()))


def _mistune(content: bytes) -> str:
    return _strip_html(str(importlib.import_module("mistune").create_markdown(plugins=["table"])(content.decode())))


def _marko(content: bytes) -> str:
    return _strip_html(importlib.import_module("marko").Markdown(extensions=["gfm"]).convert(content.decode()))


def _docutils(content: bytes) -> str:
    from docutils.core import publish_string

    settings = {"report_level": 5, "halt_level": 6, "file_insertion_enabled": False}
    return str(publish_string(content.decode(), writer="pseudoxml", settings_overrides=settings).decode())


def _docutils_html(content: bytes) -> str:
    from docutils.core import publish_string

    settings = {"report_level": 5, "halt_level": 6, "file_insertion_enabled": False}
    return _strip_html(publish_string(content.decode(), writer="html5", settings_overrides=settings).decode())


def _plain(content: bytes) -> str:
    return content.decode("utf-8-sig")


def _charset_normalizer(content: bytes) -> str:
    return str(importlib.import_module("charset_normalizer").from_bytes(content).best() or "")


def _chardet(content: bytes) -> str:
    encoding = importlib.import_module("chardet").detect(content)["encoding"]
    return content.decode(encoding or "utf-8", "replace")


def _cchardet(content: bytes) -> str:
    encoding = importlib.import_module("cchardet").detect(content)["encoding"]
    return content.decode(encoding or "utf-8", "replace")


def _json_text(content: bytes) -> str:
    return content.decode()


def _json_indented(content: bytes) -> str:
    lines = content.decode().splitlines()
    try:
        return json.dumps(json.loads(content), indent=1, ensure_ascii=False)
    except ValueError:
        return "\n\n".join(json.dumps(json.loads(line), indent=1, ensure_ascii=False) for line in lines)


def _pandas_json(content: bytes) -> str:
    pandas = importlib.import_module("pandas")
    text = content.decode()
    is_lines = "\n" in text and not text.rstrip().endswith(("]", "}\n]")) and text.count("\n{") > 0
    values = [json.loads(line) for line in text.splitlines()] if is_lines else json.loads(text)
    return str(pandas.json_normalize(values).to_string())


def _stdlib_mail(content: bytes) -> str:
    from email import message_from_bytes, policy

    message = message_from_bytes(content, policy=policy.default)
    body = message.get_body(("plain", "html"))
    text = body.get_content() if body else ""
    return f"{message['Subject']}\n\n{text if body and body.get_content_subtype() == 'plain' else _strip_html(text)}"


def _mail_parser(content: bytes) -> str:
    mail = importlib.import_module("mailparser").parse_from_bytes(content)
    return "\n\n".join([mail.subject, *mail.text_plain, *(_strip_html(each) for each in mail.text_html)])


def _fast_mail_parser(content: bytes) -> str:
    mail = importlib.import_module("fast_mail_parser").parse_email(content.decode("utf-8", "surrogateescape"))
    return "\n\n".join([mail.subject, *mail.text_plain, *(_strip_html(each) for each in mail.text_html)])


def _odfpy(content: bytes) -> str:
    load, teletype = importlib.import_module("odf.opendocument").load, importlib.import_module("odf.teletype")
    text = importlib.import_module("odf.text")
    document = load(io.BytesIO(content))
    elements = [*document.getElementsByType(text.H), *document.getElementsByType(text.P)]
    return "\n\n".join(teletype.extractText(element) for element in elements)


def _odfdo(content: bytes) -> str:
    return str(importlib.import_module("odfdo").Document(io.BytesIO(content)).get_formatted_text())


def _zip_text(content: bytes) -> str:
    """All text nodes of the content, in the order of the file."""
    import zipfile

    from lxml import etree

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        root = etree.fromstring(archive.read("content.xml"))
    return "\n".join(text for text in root.itertext() if text.strip())


def _slides_text(content: bytes) -> str:
    """All text nodes of the slides, by the names of their parts."""
    import zipfile

    from lxml import etree

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        slides = sorted(name for name in archive.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", name))
        roots = [etree.fromstring(archive.read(name)) for name in slides]
    return "\n".join(text for root in roots for text in root.itertext() if text.strip())


def _epub_by_name(content: bytes) -> str:
    """All chapters in the order of their names."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n\n".join(
            _selectolax(archive.read(name)) for name in sorted(archive.namelist()) if name.endswith("xhtml")
        )


def _epub_trafilatura(content: bytes) -> str:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n\n".join(_trafilatura(archive.read(n)) for n in sorted(archive.namelist()) if n.endswith("xhtml"))


def _striprtf(content: bytes) -> str:
    return str(importlib.import_module("striprtf.striprtf").rtf_to_text(content.decode("latin-1"), errors="ignore"))


def _rtfparse(content: bytes) -> str:
    """Through the HTML that Outlook puts into RTF; other files give what stands in them."""
    parser = importlib.import_module("rtfparse.parser").Rtf_Parser(rtf_file=io.BytesIO(content))
    return str(parser.parse_file())


def _langchain_code(content: bytes) -> str:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return "\n\n".join(RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=0).split_text(content.decode()))


def _pygments(content: bytes) -> str:
    lexers = importlib.import_module("pygments.lexers")
    text = content.decode()
    return "".join(value for _, value in lexers.guess_lexer(text).get_tokens(text))


PEERS: dict[str, dict[str, Peer]] = {
    "txt": {"plain text": _plain, "charset-normalizer": _charset_normalizer, "chardet": _chardet},
    "encodings": {"charset-normalizer": _charset_normalizer, "chardet": _chardet, "faust-cchardet": _cchardet},
    "md": {"markdown-it-py": _markdown_it, "mistune": _mistune, "marko": _marko},
    "rst": {"docutils (html)": _docutils_html, "docutils (xml)": _docutils, "plain text": _plain},
    "html": {
        "beautifulsoup4": _bs4,
        "selectolax": _selectolax,
        "html5lib": _html5lib,
        "trafilatura": _trafilatura,
        "inscriptis": _inscriptis,
        "html-text": _html_text,
        "markitdown": _markitdown(".html"),
    },
    "pdf": {
        "pypdf": _pypdf,
        "pypdfium2": _pdfium,
        "pdfplumber": _pdfplumber,
        "pdfminer.six": _pdfminer,
        "markitdown": _markitdown(".pdf"),
    },
    "docx": {
        "python-docx": _docx_python,
        "docx2python": _docx2python,
        "mammoth": _mammoth,
        "markitdown": _markitdown(".docx"),
    },
    "pptx": {"python-pptx": _pptx, "markitdown": _markitdown(".pptx"), "lxml": _slides_text},
    "xlsx": {
        "openpyxl": _openpyxl,
        "python-calamine": _calamine,
        "pandas": _pandas_excel,
        "markitdown": _markitdown(".xlsx"),
    },
    "csv": {"csv": _stdlib_csv, "clevercsv": _clevercsv, "pandas": _pandas_csv, "markitdown": _markitdown(".csv")},
    "json": {"plain text": _json_text, "json": _json_indented, "pandas": _pandas_json},
    "eml": {"email": _stdlib_mail, "mail-parser": _mail_parser, "fast-mail-parser": _fast_mail_parser},
    "epub": {"markitdown": _markitdown(".epub"), "selectolax": _epub_by_name, "trafilatura": _epub_trafilatura},
    "odt": {"odfpy": _odfpy, "odfdo": _odfdo, "lxml": _zip_text},
    "ods": {"python-calamine": _calamine, "odfpy": _odfpy, "odfdo": _odfdo},
    "odp": {"odfpy": _odfpy, "odfdo": _odfdo, "lxml": _zip_text},
    "rtf": {"striprtf": _striprtf, "rtfparse": _rtfparse, "plain text": _plain},
    "code": {"plain text": _plain, "langchain-text-splitters": _langchain_code, "pygments": _pygments},
}
