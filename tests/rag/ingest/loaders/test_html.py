"""HTML: all visible text, once, in order."""

from __future__ import annotations

import pytest

from tests.rag.ingest.loaders.reading import kinds, read, texts


def test_text_in_any_element() -> None:
    page = "<title>Visitors</title><div>Opens at 10:40.</div><div>Guide: <b>Nadia</b><br>Phone 5512</div>tail"
    document = read(".html", page)
    assert document.title == "Visitors"
    assert texts(document) == ["Opens at 10:40.", "Guide: Nadia\nPhone 5512", "tail"]


def test_lists_keep_their_own_text_and_their_nesting() -> None:
    page = "<ul><li>Dogs are allowed<ul><li>on a lead</li></ul>always</li><li>Fine<p>30 crowns</p></li></ul>"
    assert kinds(read(".html", page)) == [
        ("item", 1, "Dogs are allowed"),
        ("item", 2, "on a lead"),
        ("item", 1, "always"),
        ("item", 1, "Fine"),
        ("item", 1, "30 crowns"),
    ]


def test_articles_headers_and_captions() -> None:
    page = (
        "<article><header><h2>One</h2><p>By Ada</p></header><p>a</p></article><article><p>b</p><footer>Edited by Bo"
        "</footer></article><figure><figcaption>c</figcaption></figure><details><summary>d</summary>e</details>"
    )
    assert texts(read(".html", page)) == ["One", "By Ada", "a", "b", "Edited by Bo", "c", "d", "e"]


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>no</p>",
        "<p style='color: red; display : none'>no</p>",
        "<p style='visibility:hidden'>no</p>",
        "<style>.x > b, #y { display: none }</style><p class=x>yes<b>no</b></p><i id=y>no</i>",
        "<script>no</script><template>no</template><noscript>no</noscript><dialog>no</dialog>",
        "<nav>no</nav><div role=navigation>no</div><!-- no --><!-- no",
    ],
)
def test_what_a_reader_does_not_see(hidden: str) -> None:
    document = read(".html", f"<p>yes</p>{hidden}")
    assert set("\n".join(texts(document)).split()) == {"yes"}


def test_rules_for_other_media_and_states_hide_nothing() -> None:
    page = "<style>@media print{p{display:none}} p:hover{display:none} body{display:none}</style><p>yes</p>"
    assert texts(read(".html", page)) == ["yes"]


def test_a_footer_keeps_what_says_something() -> None:
    page = "<p>a</p><footer><p>Cookie notice</p><p>Office: Pier 4, open until 5.</p></footer>"
    assert texts(read(".html", page)) == ["a", "Office: Pier 4, open until 5."]


def test_rows_carry_their_headings() -> None:
    page = "<table><caption>Fees</caption><tr><th>Berth<th>Fee<tr><td><p>North</p><td>17<tr><td>South<td></table>after"
    assert texts(read(".html", page)) == ["Fees", "Berth | Fee", "Berth: North; Fee: 17", "Berth: South", "after"]


def test_headings_of_two_rows_and_cells_over_rows() -> None:
    page = (
        "<table><thead><tr><th rowspan=2>Place<th colspan=2>Price<tr><th>2023<th>2024</thead>"
        "<tr><td rowspan=2>Pier<td>1<td>2<tr><td>3<td>4<tr><td colspan=3>closed in May</table>"
    )
    assert texts(read(".html", page))[2:] == [
        "Place: Pier; Price 2023: 1; Price 2024: 2",
        "Place: Pier; Price 2023: 3; Price 2024: 4",
        "closed in May",
    ]


def test_tables_whose_rows_begin_with_a_heading() -> None:
    page = "<table><tr><th>Berth<td>4<tr><th>Skipper<td>Jana Ruud</table>"
    assert texts(read(".html", page)) == ["Berth: 4", "Skipper: Jana Ruud"]


def test_tables_that_only_place_text() -> None:
    page = "<table><tr><td><h1>News</h1><p>a</p></td><td><table><tr><td>x<td>y</table></td></tr></table>"
    assert texts(read(".html", page)) == ["News", "a", "x | y"]


def test_a_cell_that_spans_everything_is_not_repeated_without_end() -> None:
    page = f"<table><tr><td colspan=1000 rowspan=60000>{'x' * 5000}" + "<tr><td>y" * 2000 + "</table>"
    assert sum(map(len, texts(read(".html", page)))) < 20_000


@pytest.mark.parametrize(
    "page",
    [
        "<table>" + "<tr><td colspan=1000>a" * 5000,
        "<table>" + ("<tr>" + "<td colspan=1000 rowspan=1000>ab" * 20) * 500,
        "<table><tr>" + "<td rowspan=1000>a<td>b" * 500 + "<tr>" * 1000,
    ],
)
def test_spans_do_not_multiply_a_page(page: str) -> None:
    assert sum(map(len, texts(read(".html", page)))) < 30 * len(page)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Old page</p><![foo bar]><p>The buoy is red.</p>", "The buoy is red."),
        ("<p>a &#99999999999999999999; b &#xD800; c</p>", "a \ufffd b \ufffd c"),
        ("<div>" * 5000 + "The buoy is green.", "The buoy is green."),
        ("<font>" * 3000 + "The buoy is green.", "The buoy is green."),
        ("<table><tr><td>" * 10_000 + "deep", "deep"),
        ("<!--" * 100_000 + "-->The buoy is blue.", "The buoy is blue."),
    ],
)
def test_odd_pages(page: str, text: str) -> None:
    """The old reader stopped with an error, lost the text, or took minutes."""
    assert text in texts(read(".html", page))


def test_pages_with_nothing_to_see() -> None:
    assert read(".html", "<![foo").blocks == read(".html", "").blocks == ()


@pytest.mark.parametrize(
    "head",
    [
        '<meta property="article:published_time" content="2024-05-03T10:00:00Z">',
        '<meta name="date" content="3 May 2024">',
        '<script type="application/ld+json">{"datePublished": "2024-05-03"}</script>',
        '<time itemprop="datePublished" datetime="2024-05-03"></time>',
    ],
)
def test_the_date_that_a_page_states(head: str) -> None:
    assert read(".html", f"<head>{head}</head><p>x</p>").date == "2024-05-03"


def test_encodings_that_pages_declare() -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Паром</p>'
    document = read(".html", page.encode("cp1251"))
    assert (texts(document), document.notes) == (["Паром"], ())
