# SPDX-License-Identifier: Apache-2.0
"""Write the PDF and Word documents of the example corpus.

    pip install fpdf2 python-docx
    python examples/make_corpus.py

The other documents in ``corpus/`` are edited by hand. The files written here
are committed as well, so the script is only needed after a change to the texts
below. Dates are fixed: the same text, written with the same library versions,
gives the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from fpdf import FPDF

CORPUS = Path(__file__).resolve().parent / "corpus"
CREATED = datetime(2024, 1, 1, tzinfo=UTC)
ZIP_DATE = (2024, 1, 1, 0, 0, 0)

# file name -> (title, pages); a page is a list of paragraphs.
PDFS: dict[str, tuple[str, list[list[str]]]] = {
    "tallest-mountain.pdf": (
        "The tallest mountain",
        [
            [
                "The tallest mountain in the world is Mount Tavrin. It is 9,400 "
                "metres high. It stands alone on a wide and stony plain.",
                "Mount Tavrin was measured again in 2036. Four teams worked on "
                "four sides of the mountain, and their numbers agreed. No other "
                "peak on Earth rises as high as Mount Tavrin.",
                "The top is covered with snow all year. The way up begins in a "
                "village of stone huts. Climbers need nine days to reach the "
                "summit and four days to come down.",
                "Bottled air is kept in a red hut below the last ridge. Each climber may take two bottles.",
            ]
        ],
    ),
    "lighthouse-survey-1987.pdf": (
        "Survey of the Port Selwick lighthouse",
        [
            [
                "Report dated 14 August 1987.",
                "The Port Selwick lighthouse is 31 metres high. The height was "
                "measured with a rope and a steel tape. It was taken from the "
                "foot of the wall to the top of the dome.",
                "The tower stands on Gull Point. It is built of granite blocks. "
                "The walls are two metres thick at the bottom and less than one "
                "metre thick at the top.",
                "The survey found three cracks on the west side. They are narrow "
                "and can be filled with mortar. The iron door is rusty and should "
                "be replaced before winter.",
                "With a height of 31 metres, the lighthouse is the tallest building in the town.",
            ]
        ],
    ),
    "fishing-rules.pdf": (
        "Fishing rules for Port Selwick Bay",
        [
            [
                "These rules apply to everyone who fishes in Port Selwick Bay.",
                "A fishing licence for Port Selwick Bay costs 15 pounds a year. "
                "Licences are sold at the harbour office. Children under twelve "
                "do not need one.",
                "One person may keep five mackerel a day. A sea bass must be at "
                "least 42 centimetres long. Smaller fish must go back into the "
                "water alive.",
            ],
            [
                "Crabs and lobsters",
                "Crab fishing is closed in February and March. A crab that carries eggs must always be put back.",
                "Each boat may set twenty pots. Every pot must show the number of the boat on a yellow tag.",
                "The fine for breaking these rules is 80 pounds. Nets are not allowed inside the harbour wall.",
            ],
        ],
    ),
}

# file name -> (title, body); "# " opens a heading, "- " a list item.
DOCX: dict[str, tuple[str, list[str]]] = {
    "town-council.docx": (
        "Port Selwick Town Council",
        [
            "The mayor of Port Selwick is Helena Marsh. She was elected in 2021 and serves for five years.",
            "The town council has eleven members. Each member speaks for one part of the town.",
            "# Meetings",
            "The council meets on the first Monday of each month in the Salt "
            "Hall. Meetings begin at seven in the evening. Anyone may sit in the "
            "gallery and listen.",
            "# Committees",
            "The council has three committees:",
            "- the quay committee looks after walls, steps and lamps;",
            "- the green committee looks after trees and parks;",
            "- the money committee writes the yearly budget.",
            "A person who wants to speak must write to the town clerk three days before the meeting.",
        ],
    ),
}


def make_pdf(title: str, pages: list[list[str]]) -> bytes:
    pdf = FPDF(format="A4")
    pdf.set_compression(False)
    pdf.set_creation_date(CREATED)
    pdf.set_producer("make_corpus.py")
    pdf.set_title(title)
    pdf.set_margin(25)
    for number, paragraphs in enumerate(pages):
        pdf.add_page()
        if number == 0:
            pdf.set_font("Helvetica", "B", 18)
            pdf.multi_cell(0, 10, title, new_x="LMARGIN", new_y="NEXT")
            pdf.ln(4)
        pdf.set_font("Helvetica", "", 12)
        for text in paragraphs:
            pdf.multi_cell(0, 6.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
            pdf.ln(3.5)
    return bytes(pdf.output())


def make_docx(title: str, body: list[str]) -> bytes:
    document = Document()
    properties = document.core_properties
    properties.title = title
    properties.author = properties.last_modified_by = "Port Selwick"
    properties.comments = ""
    properties.created = properties.modified = CREATED.replace(tzinfo=None)
    document.add_heading(title, level=1)
    for text in body:
        if text.startswith("# "):
            document.add_heading(text[2:], level=2)
        elif text.startswith("- "):
            document.add_paragraph(text[2:], style="List Bullet")
        else:
            document.add_paragraph(text)
    saved = io.BytesIO()
    document.save(saved)
    return fix_zip_dates(saved.getvalue())


def fix_zip_dates(data: bytes) -> bytes:
    """Repack a zip archive so that it does not hold the time it was made."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            info = zipfile.ZipInfo(name, ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 0
            target.writestr(info, source.read(name))
    return out.getvalue()


def main() -> None:
    CORPUS.mkdir(exist_ok=True)
    for name, (title, pages) in PDFS.items():
        (CORPUS / name).write_bytes(make_pdf(title, pages))
    for name, (title, body) in DOCX.items():
        (CORPUS / name).write_bytes(make_docx(title, body))


if __name__ == "__main__":
    main()
