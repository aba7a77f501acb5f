"""The sentences of a passage, and what is none."""

from __future__ import annotations

import pytest

from rag.conflicts.sentences import is_heading, split_sentences

NOTICE = """PORT SELWICK HARBOUR OFFICE
Notice of 4 March 2019

The harbour master of Port Selwick is
Edda Lindqvist. She took up the post on
4 March 2019.

- Reports to the office.
- No nets on the slipway
# Hours
Open daily"""


def test_a_wrapped_line_goes_on_and_what_stands_alone_stays_alone() -> None:
    assert split_sentences(NOTICE) == [
        "PORT SELWICK HARBOUR OFFICE",
        "Notice of 4 March 2019",
        "The harbour master of Port Selwick is Edda Lindqvist.",
        "She took up the post on 4 March 2019.",
        "- Reports to the office.",
        "- No nets on the slipway",
        "# Hours",
        "Open daily",
    ]


def test_cells_of_a_row_stand_alone() -> None:
    assert split_sentences("Adult | 6 pounds | every day") == ["Adult", "6 pounds", "every day"]


@pytest.mark.parametrize(
    ("sentence", "title", "is_one"),
    [
        ("# Opening hours", "", True),
        ("PORT SELWICK HARBOUR OFFICE", "", True),
        ("Fishing rules for the bay", "Fishing Rules for the Bay", True),
        ("Page updated on 8 April 2024.", "", True),
        ("*Leaflet dated 2 May 2018*", "", True),
        ("The museum opens at 9 am.", "Museum", False),
        ("The rules were published by the town council in 2011 and still hold.", "", False),
        ("NASA", "", False),
        ("The mill was built in 1764.", "", False),
    ],
)
def test_headings_and_lines_about_the_document_say_nothing(sentence: str, title: str, is_one: bool) -> None:
    assert is_heading(sentence, title) is is_one
