"""From blocks to passages: lengths in the encoder's tokens, boundaries, places, and nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.core.encoding import passage_text
from rag.core.errors import SettingError
from rag.core.passages import Passage
from rag.core.settings.config import Config
from rag.core.tokens import EstimatedTokens
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.gather import gather
from rag.ingest.load import load
from rag.ingest.source import Source
from rag.ingest.split import Lengths, join_blocks, split
from tests.conftest import CORPUS

READER = EstimatedTokens()
SOURCE = Source("/notes/port.md", lambda: b"", ".md")


def passages_of(*blocks: Block, title: str = "Port", max_tokens: int = 40, num_overlap: int = 0) -> list[Passage]:
    document = ParsedDocument(blocks, title, "2023-05")
    passages = split(SOURCE, document, Lengths(max_tokens, num_overlap), READER)
    text, _ = join_blocks(blocks)
    for ordinal, passage in enumerate(passages):
        assert passage.passage_id == f"{SOURCE.doc_id}:{ordinal}"
        assert text[passage.start : passage.start + len(passage.text)] == passage.text
        assert num_tokens(passage_text(passage.title, passage.text, passage.heading)) <= max_tokens
    return passages


def num_tokens(text: str) -> int:
    return len(READER.read([text])[0].starts)


def test_passages_point_into_the_text() -> None:
    source = gather([CORPUS / "town-library.md"]).sources[0]
    document = load(source, source.read())
    passages = split(source, document, Lengths(64, 8), READER)
    text, _ = join_blocks(document.blocks)
    assert len(passages) > 2
    for passage in passages:
        assert text[passage.start : passage.start + len(passage.text)] == passage.text
        assert num_tokens(passage_text(passage.title, passage.text, passage.heading)) <= 64
    assert len({passage.passage_id for passage in passages}) == len(passages)


def test_a_short_document_is_one_passage() -> None:
    (passage,) = passages_of(Block("The toll is one crown.", location="line 1"), Block("Pay Ina.", location="line 3"))
    assert passage.text == "The toll is one crown.\n\nPay Ina."
    assert (passage.location, passage.title, passage.date) == ("lines 1-3", "Port", "2023-05")


@pytest.mark.parametrize(
    ("sentence", "blank"),
    [("港口主任是李小龙。", ""), ("वह बंदरगाह में है।", " "), ("The tide is low today.", " "), ("هل هو هنا؟", " ")],
)
def test_passages_end_with_a_sentence_in_any_script(sentence: str, blank: str) -> None:
    passages = passages_of(Block(blank.join([sentence] * 30)), max_tokens=50)
    assert len(passages) > 2
    for passage in passages:
        assert passage.text.endswith(sentence[-1])
        assert passage.text.startswith(sentence[:3])
    assert sum(passage.text.count(sentence) for passage in passages) == 30


def test_thai_is_cut_at_blanks_and_no_mark_is_torn_from_its_letter() -> None:
    passages = passages_of(Block(" ".join(["ผู้จัดการท่าเรือคือสมชาย"] * 8)), max_tokens=60)
    assert {word for passage in passages for word in passage.text.split()} == {"ผู้จัดการท่าเรือคือสมชาย"}
    long = passages_of(Block("ที่" * 100), max_tokens=30)
    assert all(passage.text.startswith("ท") for passage in long)


def test_sentences_of_the_end_begin_the_next_passage_again() -> None:
    text = " ".join(f"Boat {number} is in the bay." for number in range(12))
    first, second, *_ = passages_of(Block(text), max_tokens=40, num_overlap=10)
    assert first.text.endswith(second.text.split(". ")[0] + ".")
    assert first.start + len(first.text) > second.start


def test_headings_begin_passages_and_stand_above_all_of_their_section() -> None:
    long = " ".join(f"Pier {number} is open." for number in range(20))
    passages = passages_of(
        Block("Port", "heading", 1),
        Block("Intro.", "paragraph"),
        Block("Tolls", "heading", 2),
        Block("Boats", "heading", 3),
        Block(long),
        Block("Staff", "heading", 2),
        Block("Ina Holt."),
    )
    assert [passage.heading for passage in passages] == ["", *["Tolls > Boats"] * (len(passages) - 2), "Staff"]
    assert passages[1].text.startswith("Tolls\n\nBoats\n\nPier 0")
    assert passages[2].text.startswith("Pier")
    assert passages[-1].text == "Staff\n\nInk".replace("Ink", "Ina Holt.")
    assert passage_text("Port", passages[1].text, passages[1].heading) == f"Port\n{passages[1].text}"
    assert passage_text("Port", passages[2].text, passages[2].heading).startswith("Port\nTolls > Boats\nPier")


def test_a_line_above_the_title_is_no_passage_of_its_own() -> None:
    body = [Block("Mill", "heading", 1), Block("The mill was built in 1764.")]
    assert [passage.text for passage in passages_of(Block("Selwick Almanac"), *body)] == [
        "Selwick Almanac\n\nMill\n\nThe mill was built in 1764."
    ]


def test_rows_stay_whole_and_together() -> None:
    rows = [Block(f"Price: {n}; Day: Sunday", "row", location=f"sheet Prices, row {n}") for n in range(2, 12)]
    passages = passages_of(*rows, Block("Price: 1", "row", location="sheet Old, row 2"))
    for passage in passages[:-1]:
        assert all(line.startswith("Price: ") and line.endswith("; Day: Sunday") for line in passage.text.split("\n"))
    assert passages[0].text.count("\n") >= 2
    assert passages[0].location == f"sheet Prices, rows 2-{2 + passages[0].text.count(chr(10))}"
    assert (passages[-1].text, passages[-1].location) == ("Price: 1", "sheet Old, row 2")


def test_no_passage_covers_two_pages() -> None:
    passages = passages_of(
        Block("One.", location="page 3"), Block("Two.", location="page 3"), Block("Three.", location="page 4")
    )
    assert [(passage.text, passage.location) for passage in passages] == [
        ("One.\n\nTwo.", "page 3"),
        ("Three.", "page 4"),
    ]


def test_lines_are_counted_inside_a_block() -> None:
    lines = [f"Line {number} of the poem" for number in range(10, 30)]
    passages = passages_of(Block("\n".join(lines), location="line 10"), max_tokens=30)
    for passage in passages:
        own = passage.text.split("\n")
        first, last = own[0].split()[1], own[-1].split()[1]
        assert passage.location == (f"line {first}" if first == last else f"lines {first}-{last}")


def test_a_passage_is_never_longer_than_the_encoder_reads_whatever_its_title() -> None:
    passages_of(Block("Deep", "heading", 1), Block("x y z. " * 60), title="A very long title " * 30, max_tokens=32)
    headings = [Block(f"Heading number {level} of many", "heading", level) for level in range(1, 7)]
    passages_of(*headings, Block("x y z. " * 60), max_tokens=32)


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            Block,
            st.text(st.sampled_from("ab .!\n。港ไุท้ไم"), min_size=1, max_size=120).filter(
                lambda text: text.strip() != ""
            ),
            st.sampled_from(["heading", "paragraph", "item", "row", "code"]),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(16, 60),
)
def test_nothing_is_lost_and_nothing_too_long(blocks: list[Block], max_tokens: int) -> None:
    passages = passages_of(*blocks, max_tokens=max_tokens)
    whole = "".join("".join(block.text.split()) for block in blocks).replace("\u200b", "")
    assert "".join("".join(passage.text.split()) for passage in passages) == whole


@pytest.mark.parametrize("text", ["word " * 8000, "字" * 30_000, "ที่" * 9000, "." * 30_000, "The tide is low. " * 3000])
def test_a_book_in_one_block_is_split_like_a_page(text: str) -> None:
    passages = passages_of(Block(text.strip()), max_tokens=60)
    assert "".join("".join(passage.text.split()) for passage in passages) == "".join(text.split())
    assert min(len(passage.text) for passage in passages[:-1]) * 4 > max(len(passage.text) for passage in passages)


class Short(EstimatedTokens):
    max_tokens = 100


def test_lengths_follow_the_encoder() -> None:
    assert Lengths.resolve(Config(), READER, "e") == Lengths(256, 32)
    assert Lengths.resolve(Config(), Short(), "e") == Lengths(100, 32)
    assert Lengths.resolve(Config(chunk_tokens=80, chunk_overlap_tokens=0), Short(), "e") == Lengths(80, 0)
    with pytest.raises(SettingError, match="chunk_tokens=101, but the encoder 'e' reads 100 tokens"):
        Lengths.resolve(Config(chunk_tokens=101), Short(), "e")
