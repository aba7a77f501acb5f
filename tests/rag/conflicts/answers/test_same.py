"""Whether two answers say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.conflicts.answers.same import fullest, normalize, same_answer

EQUAL = [
    ("7 days", "seven days"),
    ("7 days", "a week"),
    ("2.5 hours", "150 minutes"),
    ("12 months", "one year"),
    ("50%", "half"),
    ("fifty percent", "50 %"),
    ("$3.5 million", "3,500,000 dollars"),
    ("US$5", "5 dollars"),
    ("1,764", "1 764"),
    ("one hundred and five", "105"),
    ("a dozen", "12"),
    ("none", "0"),
    ("5 km", "3.1 miles"),
    ("98 km", "98 kilometres"),
    ("first", "1st"),
    ("twenty-first", "21st"),
    ("12 March 1911", "March 12, 1911"),
    ("12/03/1911", "12 March 1911"),
    ("1911-03-12", "the 12th of March 1911"),
    ("12 de marzo de 1911", "12 March 1911"),
    ("1911年3月12日", "12 March 1911"),
    ("in 1952", "1952"),
    ("9 am", "9:00 a.m."),
    ("noon", "12:00"),
    ("J.R.R. Tolkien", "J. R. R. Tolkien"),
    ("JRR Tolkien", "J. R. R. Tolkien"),
    ("USA", "United States"),
    ("U.S.", "the United States of America"),
    ("NBA", "National Basketball Association"),
    ("St. Alban", "Saint Alban"),
    ("Baden Baden", "Baden-Baden"),
    ("World War II", "World War 2"),
    ("El Niño", "el nino."),
    ("the harbour", "Harbor"),
    ("wasn't built", "was not built"),
    ("Neil Armstrong", '"Neil Armstrong".'),
    ("Orr and Tam", "Tam and Orr"),
    ("The Who", "who"),
    ("七天", "7天"),
    ("四克朗", "4克朗"),
    ("東京", "東京都"),
    ("서울", "서울시"),
    ("القاهرة", "القَاهِرَة"),
    ("Москва", "москва"),
    ("१९४७", "1947"),
    ("Paris", "It is Paris."),
    ("", " "),
]
FULLER = [
    ("2003", "April 2003"),
    ("March 1911", "12 March 1911"),
    ("1990s", "1994"),
    ("19th century", "1894"),
    ("Paris", "Paris, France"),
    ("Paris", "the city of Paris"),
    ("6", "6 crowns"),
    ("3,559 people", "3559"),
    ("about 50,000", "51,000"),
    ("more than 50", "52"),
    ("7 days", "7 working days"),
    ("at nine", "9 am"),
    ("J. R. R. Tolkien", "John Ronald Reuel Tolkien"),
    ("Tolkien", "J. R. R. Tolkien"),
    ("Dr. Anna Bell", "Anna M. Bell"),
    ("A. Bell", "Ann Bell"),
    ("Martin Luther King", "Martin Luther King Jr."),
    ("General Motors", "General Motors Corporation"),
    ("Republican", "Republican Party"),
    ("Orr and Tam", "Tam"),
    ("yes", "Yes, it is open."),
    ("巴黎", "法国巴黎"),
    ("दिल्ली", "नई दिल्ली"),
]
DIFFERENT = [
    ("Paris", "Not Paris"),
    ("London, not Paris", "Paris"),
    ("It was not built", "It was built"),
    ("Yes", "No"),
    ("1952", "1945"),
    ("12 March 1911", "13 March 1911"),
    ("44 BC", "44 AD"),
    ("early 1990s", "early 2000s"),
    ("4 crowns", "6 crowns"),
    ("7 days", "7 crowns"),
    ("$5", "5 euros"),
    ("428", "42,800"),
    ("about 50,000", "about 10,000"),
    ("less than 50", "52"),
    ("third generation", "first generation"),
    ("World War I", "World War II"),
    ("A. Bell", "Tom Bell"),
    ("Ann Bell", "Tom Bell"),
    ("Ann Bell", "Ann Bell's brother"),
    ("York", "New York"),
    ("Korea", "South Korea"),
    ("Ur", "Uruk"),
    ("University of Michigan", "Michigan"),
    ("women at 60 and men at 65", "women at 62 and men at 67"),
    ("France, Italy and Germany", "France, Italy and Switzerland"),
    ("none", "3"),
    ("京都", "東京都"),
    ("北京", "上海"),
    ("कि", "की"),
    ("", "Paris"),
    ("2019", "Tom Reed"),
    ("noon", "the harbour"),
    ("at least 4 weeks", "at least 8 weeks"),
]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(*pair, "equal") for pair in EQUAL]
    + [(*pair, "fuller") for pair in FULLER]
    + [(*pair, "different") for pair in DIFFERENT],
)
def test_pairs_both_ways(one: str, other: str, expected: str) -> None:
    assert same_answer(one, other) == expected
    assert same_answer(other, one) == expected


def test_yes_and_no_answer_a_question_that_asks_for_them() -> None:
    assert same_answer("No", "It is not allowed.", "Is it allowed?") == "fuller"
    assert same_answer("Yes", "It is not allowed.", "Is it allowed?") == "different"
    assert same_answer("Yes", "It is open.", "Is it open?") == "fuller"


def test_aliases_join_names() -> None:
    names = {"The Big Apple": ["New York City"]}
    assert same_answer("The Big Apple", "New York City") == "different"
    assert same_answer("The Big Apple", "New York City", aliases=lambda name: names.get(name, [])) == "equal"


def test_the_judge_is_asked_about_words_only() -> None:
    asked = []

    def judge(one: str, other: str, question: str) -> float:
        asked.append((one, other, question))
        return 0.9

    assert same_answer("famine", "starvation", "What was it?", judge=judge) == "equal"
    assert same_answer("1952", "1945", judge=judge) == "different"
    assert same_answer("Paris", "not Paris", judge=judge) == "different"
    assert asked == [("famine", "starvation", "What was it?")]


def test_the_fullest_wording_is_no_sentence() -> None:
    sentence = "The harbour master of Port Selwick has been Tomas Orrel since 2023"
    assert fullest(["Orrel", "Tomas Orrel", sentence]) == "Tomas Orrel"
    assert fullest(["2003", "April 2003"]) == "April 2003"
    assert fullest([sentence]) == sentence


@given(st.text(max_size=40))
def test_every_text_equals_itself(text: str) -> None:
    assert same_answer(text, text) == "equal"


@given(st.text(max_size=30), st.text(max_size=30))
def test_symmetric(one: str, other: str) -> None:
    assert same_answer(one, other) == same_answer(other, one)


@given(st.text(alphabet="0123456789., '/%$-:stkm\u00a0\u0661\u4e00\u5341\u5929", max_size=25))
def test_no_number_is_too_odd(text: str) -> None:
    assert same_answer(text, text) == "equal"
    assert same_answer(text, "7 days") == same_answer("7 days", text)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_are_compared_as_values(one: int, other: int) -> None:
    assert (same_answer(f"{one:,} people", str(other)) == "different") is (one != other)


def test_normalize_is_a_key() -> None:
    assert normalize("The Harbour-Master!") == normalize("harbor master")
