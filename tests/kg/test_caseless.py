"""Names in scripts without capitals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.caseless import caseless_spans
from kg.names import canonical, contains_name, names_in, ngrams


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("港口主任是李小龙，他的办公室在旧灯塔旁边。", ["李小龙", "港口主任", "办公室"]),
        ("图书馆每周三上午开放，馆长是王芳。", ["王芳", "图书馆", "馆长"]),
        ("馆长王芳女士到了", ["王芳"]),
        ("码头由刘洋负责，船长叫陈大文。", ["刘洋", "陈大文"]),
        ("约翰·史密斯是船长", ["约翰 史密斯"]),
        ("ジョン・スミスさんは船長です", ["ジョン スミス"]),
        ("선장 김가은씨는 이순신과 일한다", ["김가은", "이순신", "선장"]),
        ("กัปตันชื่อสมศักดิ์ รักไทย", ["สมศักดิ์ รักไทย"]),
        ("يقود السفينة أحمد منصور في الميناء", ["احمد منصور"]),
        ("רב החובל הוא דוד לוי", ["דוד לוי"]),
        ("中华人民共和国有很多港口", ["中华人民共和国"]),
        ("港の責任者は山田花子で、事務所は灯台の隣にある。", ["山田花子", "責任者", "事務所", "灯台"]),
        ("トヨタ自動車の社長は佐藤恒治氏です。", ["トヨタ自動車", "佐藤恒治"]),
        ("항구 책임자는 김민수이고 사무실은 등대 옆에 있다.", ["김민수", "책임자", "항구", "등대"]),
        ("مدير الميناء هو سامي الخوري ومكتبه قرب المنارة.", ["سامي الخوري", "مدير الميناء", "المنارة"]),
        ("बंदरगाह के प्रबंधक राजेश शर्मा हैं।", ["राजेश शर्मा", "बंदरगाह"]),
        ("ผู้จัดการท่าเรือคือสมชาย ใจดี", ["สมชาย ใจดี", "ผู้จัดการท่าเรือ"]),
        ("der hafen wird von hans müller geleitet", ["hans muller", "hafen"]),
        ("She uses an iPhone and an eBay account.", ["iphone", "ebay"]),
        ("The toll bridge is run by Ina\u00a0Holt.", ["ina holt"]),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert set(names) <= {span.name for span in names_in(text)}


def test_closed_class_words_are_no_names() -> None:
    names = {span.name for span in names_in("港口主任是李小龙，他的办公室在旧灯塔旁边。")}
    assert not {name for name in names if "是" in name or "的" in name}


def test_a_small_word_is_no_name_where_the_text_uses_capitals() -> None:
    assert {span.name for span in names_in("The manager of Port Selwick left.")} == {"port selwick", "port", "selwick"}


def test_a_question_holds_every_run_that_may_be_a_name() -> None:
    assert {"李小龙", "主任", "港口主任"} <= set(ngrams("港口主任李小龙是谁？"))
    assert "김민수" in set(ngrams("김민수는 누구입니까?"))
    assert "สมชาย" in set(ngrams("สมชายคือใคร"))


@given(st.text(st.characters(max_codepoint=0x9FFF), max_size=60))
def test_spans_are_inside_the_text(text: str) -> None:
    assert all(0 <= start < end <= len(text) for start, end in caseless_spans(text))


def test_a_name_is_contained_as_whole_words_where_there_are_blanks() -> None:
    assert contains_name(canonical("港口主任是李小龙。"), "李小龙")
    assert contains_name("the tide mill", "tide mill")
    assert not contains_name("the tide miller", "tide mill")
