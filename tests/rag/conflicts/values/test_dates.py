"""The date of a document, and for when a sentence speaks."""

from __future__ import annotations

import pytest

from rag.conflicts.values.dates import Validity, document_date, is_newer, read_validity, statement_date


@pytest.mark.parametrize(
    ("stated", "source", "head", "date"),
    [
        ("", "docs/notice-2019.txt", "", "2019"),
        ("", "report_20230911.pdf", "", "2023-09-11"),
        ("", "minutes 2021-05.md", "", "2021-05"),
        ("", "x.txt", "Notice of 3 May 2019. The mayor is Ann Bell.", "2019-05-03"),
        ("", "leaflet.txt", "Leaflet 2018: the ferry fare to Ostrel is 4 crowns.", "2018"),
        ("", "x.md", "Harbour news\nPublished: March 5, 2022\n\nText", "2022-03-05"),
        ("", "x.txt", "Port Selwick, 11 September 2023\nBy order", "2023-09-11"),
        ("2021-03-04T10:00:00Z", "notice-2019.txt", "Date: 4 March 2020", "2021-03-04"),
        ("", "guide.txt", "The bridge of Corvin was opened in 1911.", ""),
        ("", "guide.txt", "In 1911 the bridge of Corvin was opened.", ""),
        ("", "room-12345.txt", "", ""),
        ("soon", "x.txt", "", ""),
        ("", "", "", ""),
    ],
)
def test_document_date(stated: str, source: str, head: str, date: str) -> None:
    assert document_date(stated, source, head) == date


@pytest.mark.parametrize(
    ("sentence", "target", "validity"),
    [
        ("Ann Bell was the mayor until 2019.", "Ann Bell", Validity("", "2019", True)),
        ("Since May 2021 the mayor is Tom Reed.", "Tom Reed", Validity("2021-05", "", False)),
        ("In 2020, the fare was 4 crowns.", "4 crowns", Validity("2020", "", True)),
        ("He was the mayor from 2004 to 2010.", "he", Validity("2004", "2010", True)),
        ("The bridge was opened in 1911.", "1911", Validity("", "", True)),
        ("The mayor is Tom Reed.", "Tom Reed", Validity()),
    ],
)
def test_validity(sentence: str, target: str, validity: Validity) -> None:
    assert read_validity(sentence, target) == validity


def test_a_statement_has_its_own_date_or_its_documents() -> None:
    assert statement_date("Since 2021 the mayor is Tom Reed.", "2024-06-08") == "2021"
    assert statement_date("The mayor is Tom Reed.", "2024-06-08") == "2024-06-08"
    assert statement_date("Ann Bell is the former mayor.", "2024-06-08") == ""
    assert statement_date("The bridge was opened in 1911.", "2024", "1911") == "2024"


def test_in_doubt_nothing_is_newer() -> None:
    assert is_newer("2020", "2019-05-03")
    assert is_newer("2019-06", "2019-05-03")
    assert not is_newer("2019", "2019-05")
    assert not is_newer("2019-05", "2019")
    assert not is_newer("2019", "")
    assert not is_newer("", "2019")
