"""The files of the reading benchmark, written here: plain formats, mail, RTF, EPUB, OpenDocument, spreadsheets."""

# ruff: noqa: E501  markup stands in long lines

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from email.message import EmailMessage

from benchmarks.reading_facts import Case, Cell, Facts, list_cells


def make_zip(parts: dict[str, str | bytes], first: str = "") -> bytes:
    """An archive; ``first`` is stored without compression, as some formats ask."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(parts, key=lambda name: name != first):
            archive.writestr(name, parts[name], zipfile.ZIP_STORED if name == first else zipfile.ZIP_DEFLATED)
    return out.getvalue()


def make_text(facts: Facts) -> list[Case]:
    """Plain text: paragraphs, lines broken by hand, other line ends."""
    plain, lines = facts.sentences(12), facts.sentences(6)
    return [
        Case("paragraphs", ".txt", "\n\n".join(plain).encode(), tuple(plain)),
        Case("windows line ends", ".txt", "\r\n".join(lines).encode("utf-8-sig"), tuple(lines)),
    ]


def make_markdown(facts: Facts) -> list[Case]:
    """Headings of both kinds, nested lists, quotes, code, a table, front matter, HTML in between."""
    s, table = facts.sentences(9), facts.table(40)
    rows = [f"| {' | '.join(table[0])} |", "|---|:--:|---|--:|", *(f"| {' | '.join(row)} |" for row in table[1:])]
    text = f"""---
title: Harbour notes
date: 2024-05-03
---

Overview
========

{s[0]}

* {s[1]}
  * {s[2]}
    continued.
* item

> {s[3]}

```python
# {s[4]}
```

1. {s[5]}

<div>
<p>{s[6]}</p>
</div>

## Fees

{chr(10).join(rows)}

**{s[7]}**

![](data:image/png;base64,{"QUJD" * 300})

[{s[8]}](https://example.org/x)
"""
    return [Case("all kinds", ".md", text.encode(), tuple(s), list_cells(table), ("QUJDQUJD",))]


def make_rst(facts: Facts) -> list[Case]:
    """Sections, directives known and unknown, lists, tables of both forms."""
    s, table = facts.sentences(9), facts.table(30)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]

    def grid(row: Sequence[str]) -> str:
        return "|" + "|".join(f" {cell.ljust(width)} " for cell, width in zip(row, widths, strict=True)) + "|"

    line = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [line, grid(table[0]), line.replace("-", "="), *(part for row in table[1:] for part in (grid(row), line))]
    simple = facts.table(12, ("Fee",))
    bar = "=" * 30 + "  " + "=" * 12
    plain = [bar, *(f"{row[0].ljust(30)}  {row[1]}" for row in simple[:1]), bar]
    plain += [*(f"{row[0].ljust(30)}  {row[1]}" for row in simple[1:]), bar]
    text = f"""Harbour handbook
================

{s[0]}

Rules
-----

* {s[1]}

  * {s[2]}

.. note::

   {s[3]}

.. versionadded:: 2.0
   {s[4]}

.. code-block:: python

   # {s[5]}

term
  {s[6]}

{chr(10).join(lines)}

{chr(10).join(plain)}

{s[7]} [1]_

.. [1] {s[8]}
"""
    return [Case("all kinds", ".rst", text.encode(), tuple(s), list_cells(table) + list_cells(simple))]


def _html_table(table: Sequence[Sequence[str]], head: str = "th") -> str:
    rows = [f"<tr>{''.join(f'<{head}>{cell}</{head}>' for cell in table[0])}</tr>"]
    rows += [f"<tr>{''.join(f'<td><p>{cell}</p></td>' for cell in row)}</tr>" for row in table[1:]]
    return f"<table>{''.join(rows)}</table>"


def make_html(facts: Facts) -> list[Case]:
    """Text in every kind of element; hidden text, scripts; tables with and without heading cells, with spans."""
    s, first, second = facts.sentences(16), facts.table(40), facts.table(30)
    page = f"""<!doctype html><html><head><title>Harbour</title><style>.off{{display:none}}</style>
<script>var x = "SCRIPT TEXT";</script></head><body><nav>Home | NAVIGATION</nav>
<header><div>{s[0]}</div></header>
<article><header><h1>First</h1><p>{s[1]}</p></header><div>{s[2]}<div>{s[3]}</div></div></article>
<article><span>{s[4]}</span><ul><li>{s[5]}<ul><li>{s[6]}</li></ul></li></ul>
<dl><dt>term</dt><dd>{s[7]}</dd></dl><figure><figcaption>{s[8]}</figcaption></figure></article>
<p style="display: none">HIDDEN ONE</p><p class="off">HIDDEN TWO</p><p hidden>HIDDEN THREE</p>
<blockquote>{s[9]}<p>{s[10]}</p></blockquote><details><summary>{s[11]}</summary>{s[12]}</details>
<table><caption>{s[13]}</caption></table>{_html_table(first)}<p>{s[14]}</p>{_html_table(second, "td")}
<pre>{s[15]}</pre></body></html>"""
    spans = _make_spans(facts)
    return [
        Case("all kinds", ".html", page.encode(), tuple(s), list_cells(first) + list_cells(second), _UNSEEN),
        Case("broken", ".html", f"<p>{s[0]}<div><b>{s[1]}<![foo bar]><td>{s[2]}".encode(), tuple(s[:3])),
        spans,
    ]


_UNSEEN = ("SCRIPT TEXT", "NAVIGATION", "HIDDEN ONE", "HIDDEN TWO", "HIDDEN THREE")


def _make_spans(facts: Facts) -> Case:
    """Headings of two rows; cells that span rows."""
    rows, cells = [], []
    for number in range(20):
        place = f"Pier {number}"
        for season in ("winter", "summer"):
            values = [str(facts.table(1)[1][1]) for _ in range(2)]
            head = f'<td rowspan="2">{place}</td>' if season == "winter" else ""
            rows.append(f"<tr>{head}<td>{season}</td>{''.join(f'<td>{value}</td>' for value in values)}</tr>")
            cells += [Cell(place, year, value) for year, value in zip(("2023", "2024"), values, strict=True)]
    head = '<thead><tr><th rowspan="2">Place</th><th rowspan="2">Season</th><th colspan="2">Price</th></tr>'
    head += "<tr><th>2023</th><th>2024</th></tr></thead>"
    return Case("spans", ".html", f"<table>{head}{''.join(rows)}</table>".encode(), (), tuple(cells))


def make_csv(facts: Facts) -> list[Case]:
    """Commas, semicolons, tabs; quotes with line feeds inside; a mark at the start; Windows encodings."""
    cases = []
    for delimiter, encoding, suffix in ((",", "utf-8", ".csv"), (";", "utf-8-sig", ".csv"), ("\t", "utf-16", ".tsv")):
        table = facts.table(60)
        notes = facts.sentences(len(table) - 1)
        out = io.StringIO()
        quoted = [f'{note} "quoted", {delimiter} and\nmore' for note in notes]
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerows([[*table[0], "Remark"], *([*row, text] for row, text in zip(table[1:], quoted, strict=True))])
        cases.append(
            Case(f"{delimiter!r} {encoding}", suffix, out.getvalue().encode(encoding), tuple(notes), list_cells(table))
        )
    return cases


def make_json(facts: Facts) -> list[Case]:
    """A list of objects, nested objects, and lines of objects."""
    table, s = facts.table(40), facts.sentences(8)
    records = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    nested = {"title": "Harbour", "notes": s[:4], "harbour": {"text": s[4], "inner": [{"deep": {"text": s[5]}}]}}
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in [*records, {"text": s[6]}, {"text": s[7]}])
    return [
        Case("records", ".json", json.dumps(records).encode(), (), list_cells(table)),
        Case("nested", ".json", json.dumps(nested, indent=1).encode(), tuple(s[:6])),
        Case("lines", ".jsonl", lines.encode(), tuple(s[6:]), list_cells(table)),
    ]


def make_mail(facts: Facts) -> list[Case]:
    """Plain mail, HTML with a table, an old encoding, a forwarded mail and attachments."""
    s, table = facts.sentences(10), facts.table(30)
    plain = EmailMessage()
    plain["Subject"], plain["From"], plain["To"] = s[0], "Åsa Lind <asa@example.org>", "office@example.org"
    plain["Date"] = "Tue, 14 May 2024 10:00:00 +0200"
    plain.set_content(f"{s[1]}\n\n> {s[2]}\n")
    plain.add_attachment(s[3].encode(), maintype="text", subtype="plain", filename="note.txt")
    plain.add_attachment(_html_table(table).encode(), maintype="text", subtype="html", filename="table.html")
    rich = EmailMessage()
    rich["Subject"], rich["From"] = "Fees", "fees@example.org"
    rich.set_content(f"<html><body><p>{s[4]}</p>{_html_table(table)}<div>{s[5]}</div></body></html>", subtype="html")
    inner = EmailMessage()
    inner["Subject"], inner["From"] = s[6], "inner@example.org"
    inner.set_content(s[7])
    outer = EmailMessage()
    outer["Subject"], outer["From"] = "Fwd", "outer@example.org"
    outer.set_content(s[8])
    outer.add_attachment(inner)
    old = f"Subject: =?koi8-r?Q?=F0=C1=D2=CF=CD?=\nFrom: a@example.org\nContent-Type: text/plain; charset=koi8-r\n\n{s[9]} Паром"
    return [
        Case("attachments", ".eml", plain.as_bytes(), tuple(s[:4]), list_cells(table)),
        Case("html", ".eml", rich.as_bytes(), tuple(s[4:6]), list_cells(table)),
        Case("forwarded", ".eml", outer.as_bytes(), (s[8], s[6], s[7])),
        Case("koi8-r", ".eml", old.encode("koi8-r"), (f"{s[9]} Паром",)),
    ]


def make_epub(facts: Facts) -> list[Case]:
    """Three chapters whose order is not that of their names."""
    s, table = facts.sentences(9), facts.table(30)
    bodies = {
        "c.xhtml": f"<h1>One</h1><p>{s[0]}</p><div>{s[1]}</div><p>{s[2]}</p>",
        "a.xhtml": f"<h1>Two</h1><ul><li>{s[3]}<ul><li>{s[4]}</li></ul></li></ul>{_html_table(table)}<p>{s[5]}</p>",
        "b.xhtml": f"<h1>Three</h1><section><p>{s[6]}</p></section><aside>{s[7]}</aside><p>{s[8]}</p>",
    }
    items = "".join(f'<item id="{n[0]}" href="text/{n}" media-type="application/xhtml+xml"/>' for n in bodies)
    spine = "".join(f'<itemref idref="{n[0]}"/>' for n in bodies)
    parts: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Harbour tales</dc:title><dc:identifier id="i">x</dc:identifier>'
        f"<dc:language>en</dc:language></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for name, body in bodies.items():
        parts[f"OEBPS/text/{name}"] = (
            f'<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
            f"<body>{body}</body></html>"
        )
    return [Case("three chapters", ".epub", make_zip(parts, "mimetype"), tuple(s), list_cells(table))]


_ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" office:version="1.2"'
)


def _make_odf(kind: str, body: str, styles: str = "") -> bytes:
    mime = f"application/vnd.oasis.opendocument.{kind}"
    tag = {"text": "text", "spreadsheet": "spreadsheet", "presentation": "presentation"}[kind]
    return make_zip(
        {
            "mimetype": mime,
            "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{mime}"/><manifest:file-entry '
            'manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>',
            "content.xml": f"<office:document-content {_ODF}><office:body><office:{tag}>{body}</office:{tag}></office:body>"
            "</office:document-content>",
            "styles.xml": f"<office:document-styles {_ODF}><office:master-styles>{styles}</office:master-styles></office:document-styles>",
        },
        "mimetype",
    )


def _odf_table(table: Sequence[Sequence[str]], name: str = "t") -> str:
    rows = "".join(f"<table:table-row>{''.join(_odf_cell(cell) for cell in row)}</table:table-row>" for row in table)
    return f'<table:table table:name="{name}"><table:table-column table:number-columns-repeated="{len(table[0])}"/>{rows}</table:table>'


def _odf_cell(text: str) -> str:
    kind = (
        f'office:value-type="float" office:value="{text}"'
        if text.replace(".", "").isdigit()
        else 'office:value-type="string"'
    )
    return f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>"


def make_odt(facts: Facts) -> list[Case]:
    """Headings, nested lists, a text box, a note, a nested table, tracked changes, header and footer."""
    s, table = facts.sentences(10), facts.table(40)
    styles = (
        f'<style:master-page style:name="Standard"><style:header><text:p>{s[0]}</text:p></style:header>'
        f"<style:footer><text:p>{s[9]}</text:p></style:footer></style:master-page>"
    )
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>DELETED TEXT</text:p></text:deletion>"
        f'</text:changed-region></text:tracked-changes><text:h text:outline-level="1">Rules</text:h><text:p>{s[1][:10]}'
        f"<text:span>{s[1][10:]}</text:span></text:p><text:list><text:list-item><text:p>{s[2]}</text:p><text:list><text:list-item>"
        f"<text:p>{s[3]}</text:p></text:list-item></text:list></text:list-item></text:list>{_odf_table(table)}"
        f'<text:p>{s[4]}<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body><text:p>'
        f"{s[5]}</text:p></text:note-body></text:note></text:p><text:section><text:p>{s[6]}</text:p></text:section>"
        f"<text:p><draw:frame><draw:text-box><text:p>{s[7]}</text:p></draw:text-box></draw:frame></text:p>"
        f"<table:table><table:table-row><table:table-cell><text:p>left</text:p>{_odf_table([['a', 'b'], ['c', s[8]]])}"
        "</table:table-cell><table:table-cell><text:p>right</text:p></table:table-cell></table:table-row></table:table>"
    )
    return [Case("all kinds", ".odt", _make_odf("text", body, styles), tuple(s), list_cells(table), ("DELETED TEXT",))]


def make_ods(facts: Facts) -> list[Case]:
    """Two sheets; a title above a table, repeated empty rows and cells, a percentage."""
    first, second, s = facts.table(50), facts.table(30), facts.sentences(2)
    empty = '<table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="1000"/></table:table-row>'
    share = (
        '<table:table-row><table:table-cell office:value-type="string"><text:p>Share</text:p></table:table-cell><table:table-cell '
        'office:value-type="percentage" office:value="0.125"><text:p>12.5%</text:p></table:table-cell></table:table-row>'
    )
    title = f"<table:table-row>{_odf_cell(s[0])}</table:table-row>{empty}"
    body = _odf_table(first, "Fees").replace("<table:table-row>", title + "<table:table-row>", 1)
    body += _odf_table(second, "Depths").replace(
        "</table:table>", f"{empty}<table:table-row>{_odf_cell(s[1])}</table:table-row>{share}</table:table>"
    )
    cells = (*list_cells(first), *list_cells(second), Cell("Share", "", "12.5%"))
    return [Case("two sheets", ".ods", _make_odf("spreadsheet", body), tuple(s), cells)]


def make_odp(facts: Facts) -> list[Case]:
    """Titles, boxes, lists, a table, notes."""
    s, table = facts.sentences(8), facts.table(25)
    pages = (
        f'<draw:page draw:name="1"><draw:frame presentation:class="title"><draw:text-box><text:p>{s[0]}</text:p></draw:text-box>'
        f"</draw:frame><draw:frame><draw:text-box><text:list><text:list-item><text:p>{s[1]}</text:p><text:list><text:list-item>"
        f"<text:p>{s[2]}</text:p></text:list-item></text:list></text:list-item></text:list></draw:text-box></draw:frame>"
        f"<presentation:notes><draw:frame><draw:text-box><text:p>{s[3]}</text:p></draw:text-box></draw:frame></presentation:notes>"
        f'</draw:page><draw:page draw:name="2"><draw:g><draw:custom-shape><text:p>{s[4]}</text:p></draw:custom-shape></draw:g>'
        f"<draw:frame>{_odf_table(table)}</draw:frame><draw:frame><draw:text-box><text:p>{s[5]}</text:p><text:p>{s[6]}</text:p>"
        f"</draw:text-box></draw:frame><draw:custom-shape><text:p>{s[7]}</text:p></draw:custom-shape></draw:page>"
    )
    return [Case("all kinds", ".odp", _make_odf("presentation", pages), tuple(s), list_cells(table))]


def _rtf(text: str) -> str:
    return "".join(
        char if char.isascii() else f"\\u{ord(char) if ord(char) < 32768 else ord(char) - 65536}?" for char in text
    )


def make_rtf(facts: Facts) -> list[Case]:
    """Unicode and code pages, a heading style, a list, a table, a note, hidden and deleted text, header and footer."""
    s, table = facts.sentences(8), facts.table(40)
    edges = "".join(f"\\cellx{2000 * (i + 1)}" for i in range(len(table[0])))
    filled = ["".join(f"{_rtf(cell)}\\cell " for cell in row) for row in table]
    rows = "".join(f"\\trowd{edges}\\pard\\intbl {cells}\\row\n" for cells in filled)
    greek = _rtf("Ω 港")
    text = (
        "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset204 Arial Cyr;}}{\\stylesheet{\\s1 heading 1;}}"
        f"{{\\info{{\\title Harbour}}{{\\author NOBODY}}}}{{\\header\\pard {s[0]}\\par}}{{\\footer\\pard {s[7]}\\par}}"
        f"\\pard\\s1 Rules\\par\\pard {s[1]} Caf\\'e9\\par {{\\listtext\\'b7\\tab}}\\ls1 {s[2]}\\par\\pard {{\\v HIDDEN TEXT}}{s[3]}"
        f"{{\\footnote\\pard {s[4]}}}\\par\n{rows}\\pard {{\\f1 \\'cf\\'e0\\'f0\\'ee\\'ec}}\\par {s[5]} {greek}\\par "
        f"{{\\deleted GONE TEXT}}{{\\field{{\\*\\fldinst HYPERLINK x}}{{\\fldrslt {s[6]}}}}}\\par}}"
    )
    planted = (s[0], f"{s[1]} Café", s[2], s[3], s[4], "Паром", f"{s[5]} Ω 港", s[6], s[7])
    return [
        Case(
            "all kinds",
            ".rtf",
            text.encode("ascii"),
            planted,
            list_cells(table),
            ("HIDDEN TEXT", "GONE TEXT", "NOBODY"),
        )
    ]


def make_code(facts: Facts) -> list[Case]:
    """Comments and strings of several languages."""
    s = facts.sentences(6)
    return [
        Case("python", ".py", f'"""{s[0]}"""\n\n\ndef f():\n    # {s[1]}\n    return 1\n'.encode(), (s[0], s[1])),
        Case("sql", ".sql", f"-- {s[2]}\nSELECT '{s[3]}';\n".encode(), (s[2], s[3])),
        Case("toml", ".toml", f'[a]\ntext = "{s[4]}"\n\n[b]\ntext = "{s[5]}"\n'.encode(), (s[4], s[5])),
    ]


WRITERS: dict[str, Callable[[Facts], list[Case]]] = {
    "txt": make_text,
    "md": make_markdown,
    "rst": make_rst,
    "html": make_html,
    "csv": make_csv,
    "json": make_json,
    "eml": make_mail,
    "epub": make_epub,
    "odt": make_odt,
    "ods": make_ods,
    "odp": make_odp,
    "rtf": make_rtf,
    "code": make_code,
}


_SENTENCE = "The crane of Selwick was built by Ada Brandt for 1234 crowns."
# One piece of each format, repeated until the file is large; what stands before and behind.
_LARGE: dict[str, tuple[str, str, str]] = {
    "txt": ("", f"{_SENTENCE} {_SENTENCE}\n\n", ""),
    "csv": ("Berth,Fee,Depth,Keeper,Remark\n", "Quay Selwick 1,1234,5.5,Ada Brandt,some remark on the quay\n", ""),
    "html": ("<html><body>", f"<p>{_SENTENCE[:20]}<b>{_SENTENCE[20:]}</b></p>\n", "</body></html>"),
    "json": ("[", '{"name":"Quay Selwick","fee":1234,"keeper":"Ada Brandt"},\n', "{}]"),
    "rtf": ("{\\rtf1 ", f"\\pard {_SENTENCE[:20]}{{\\b {_SENTENCE[20:]}}}\\par\n", "}"),
}


def make_large(name: str, size: int) -> tuple[str, bytes]:
    """Suffix and bytes of a large file."""
    before, piece, after = _LARGE[name]
    return f".{name}", (before + piece * (size // len(piece)) + after).encode()


LARGE = tuple(_LARGE)
