"""Facts at the end of long pages, and small texts in many scripts, by the default encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from rag.engine import Engine

pytestmark = pytest.mark.real

ENGLISH = {
    "lighthouse": "Zhou Ming", "library": "Wang Fang", "ferry": "Edda Lind", "museum": "Tarek Holm",
    "mill": "Ines Roth", "harbour": "Milo Varga",
}  # fmt: skip
CHINESE = {"灯塔": "周小明", "图书馆": "王芳", "渡轮": "李小龙", "博物馆": "陈大文", "磨坊": "刘洋", "港口": "赵敏"}
SCRIPTS = {
    "zh": ("港口主任是李小龙，他的办公室在旧灯塔旁边。", ["港口主任是谁？", "李小龙", "办公室", "旧"]),
    "ja": ("船の船長は山田花子で、事務所は駅の隣にある。", ["船長は誰ですか？", "山田花子", "事務所", "駅"]),
    "ko": ("학교 책임자는 김민수이고 사무실은 시장 옆에 있다.", ["책임자는 누구입니까?", "김민수", "시장", "옆"]),
    "ar": ("مدير الميناء هو سامي الخوري ومكتبه قرب المنارة.", ["من هو مدير الميناء؟", "سامي", "المنارة"]),
    "hi": ("बंदरगाह के प्रबंधक राजेश शर्मा हैं।", ["प्रबंधक कौन हैं?", "राजेश", "शर्मा"]),
    "th": ("ผู้จัดการท่าเรือคือสมชาย ใจดี", ["ใครเป็นผู้จัดการท่าเรือ", "สมชาย", "ใจดี"]),
    "el": ("Ο διευθυντής του λιμανιού είναι ο Νίκος Παππάς.", ["διευθυντης", "ΠΑΠΠΑΣ"]),
    "shy": ("A break\u00adwater was re\u00adin\u00adforced by Oss.", ["Who reinforced the breakwater?", "reinforced"]),
    "hyphen": ("The bell tower needs a new founda-\ntion by Milo Varga.", ["foundation", "tower"]),
    "ligature": ("The ﬁnal oﬀer for the ﬂoating dock.", ["floating", "final offer"]),
}  # fmt: skip


@pytest.mark.parametrize("retrieval", ["sparse", "hybrid"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_last_sentence_of_a_page_is_found_first(
    tmp_path: Path, language: str, retrieval: Literal["sparse", "hybrid"]
) -> None:
    filler, fact, question, names = {
        "en": ("The log notes the tide and the wind. " * 30, "The {} is led by {}.", "Who leads the {}?", ENGLISH),
        "zh": ("工作日志记录了每天的潮汐、风向与货物。" * 20, "{}的负责人是{}。", "{}的负责人是谁？", CHINESE),
    }[language]
    for number, item in enumerate(names.items()):
        (tmp_path / f"page{number}.txt").write_text(filler + fact.format(*item), encoding="utf-8")
    with Engine.open(tmp_path / "library", retrieval=retrieval) as engine:
        report = engine.add(sorted(tmp_path.glob("*.txt")))
        rankings = engine.retrieve([question.format(place) for place in names], top_k=3)
    for ranking, name in zip(rankings, names.values(), strict=True):
        assert name in ranking[0].passage.text
    assert any("Chinese (6)" in note for note in report.notes) == (language == "zh")


def test_words_and_facts_of_any_script_are_found_first(tmp_path: Path) -> None:
    for name, (text, _) in SCRIPTS.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    with Engine.open(tmp_path / "library", retrieval="sparse") as engine:
        engine.add(sorted(tmp_path.glob("*.txt")))
        asked = [(name, question) for name, (_, questions) in SCRIPTS.items() for question in questions]
        rankings = engine.retrieve([question for _, question in asked], top_k=3)
    first = [(Path(ranking[0].passage.source).stem if ranking else "") for ranking in rankings]
    assert first == [name for name, _ in asked]
