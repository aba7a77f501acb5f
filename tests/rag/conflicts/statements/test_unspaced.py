"""Contradictions in Chinese, Japanese and Thai."""

from __future__ import annotations

import pytest

from rag.conflicts.library.texts import contradict_texts
from rag.conflicts.statements.contradict import contradict


@pytest.mark.parametrize(
    ("one", "other", "is_clash"),
    [
        ("瑟尔比的市长是安贝尔。", "瑟尔比的市长是汤姆里德。", True),
        ("科文桥于1911年开放。", "科文桥于1924年开放。", True),
        ("渡轮票价是四克朗。", "渡轮票价是六克朗。", True),
        ("狗可以上船。", "狗不可以上船。", True),
        ("セルビーの市長は田中花子です。", "セルビーの市長は鈴木一郎です。", True),
        ("橋は1911年に開通した。", "橋は1924年に開通した。", True),
        ("瑟尔比的市长是安贝尔。", "瑟尔比的市长是安贝尔。", False),
        ("科文桥于1911年开放。", "科文桥于一九一一年开放。", False),
        ("据说瑟尔比的市长是安贝尔。", "瑟尔比的市长是汤姆里德。", False),
        ("如果瑟尔比的市长是安贝尔,办公室就开门。", "瑟尔比的市长是汤姆里德。", False),
        ("瑟尔比的市长是安贝尔吗?", "瑟尔比的市长是汤姆里德。", False),
        ("瑟尔比的市长曾是安贝尔。", "瑟尔比的市长是汤姆里德。", False),
        ("瑟尔比的市长不是安贝尔。", "瑟尔比的市长是汤姆里德。", False),
        ("瑟尔比有一座学校。", "瑟尔比有一座教堂。", False),
        ("教堂很高。", "学校很旧。", False),
    ],
)
def test_pairs(one: str, other: str, is_clash: bool) -> None:
    assert bool(contradict(one, other)) is is_clash
    assert bool(contradict(other, one)) is is_clash


def test_texts() -> None:
    one, other = "渡轮是蓝色的。渡轮票价是四克朗。", "渡轮票价是六克朗。孩子半价。"
    [clash] = contradict_texts(one, other)
    assert (clash.left, clash.right) == ("四", "六")
