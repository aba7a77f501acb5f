"""Contradictions in scripts that put no blanks between words (Chinese, Japanese, Thai), where words are not known.

Two sentences contradict each other if one run of characters was exchanged in an otherwise equal frame, or if one denies
what the other says. Sentences that are built in another order are not compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.conflicts.answers.same import same_answer
from rag.conflicts.values.words import plain

# Characters of the frame, and their share of the shorter sentence. Not chosen on data.
MIN_FRAME = 4
MIN_FRAME_SHARE = 0.4
_NOT_ASSERTED = re.compile(
    "如果|假如|要是|假设|据说|传说|听说|谣传|有人说|可能|也许|或许|大概|吗$|[?\uff1f]|もし|かもしれ|らしい|という噂|だろう|でしょう|か$|"
    "ถ้า|หาก|อาจ|หรือไม่|ไหม"
)
_DENIAL = re.compile("不是|并非|没有|不|没|未|ではない|ではありません|じゃない|ない$|ません$|ไม่ใช่|ไม่")
_PAST = re.compile("曾经|曾|前任|原来|以前|でした$|だった$|เคย|อดีต")
_MANY = re.compile("有|喜欢|喜歡|访问|参观|会说|好き|訪れ|มี|ชอบ")
_NUMBER = re.compile(r"[\d.,〇零一二三四五六七八九十百千万萬億亿]")
_ENDS = "。.!\uff01 \u3000"


@dataclass(frozen=True)
class Exchange:
    """What stands in one sentence in the place of what stands in the other; both empty for a denial."""

    left: str
    right: str


def find_exchange(one: str, other: str) -> Exchange | None:
    """The exchanged values of two sentences that contradict each other, or ``None``."""
    a, b = (plain(text).replace(" ", "").strip(_ENDS) for text in (one, other))
    if _NOT_ASSERTED.search(a) or _NOT_ASSERTED.search(b) or bool(_PAST.search(a)) != bool(_PAST.search(b)):
        return None
    if bool(_DENIAL.search(a)) != bool(_DENIAL.search(b)):
        return Exchange("", "") if _DENIAL.sub("", a) in (b, b.replace("是", "")) or _is_denial(b, a) else None
    start, end = _frame(a, b)
    left, right = a[start : len(a) - end], b[start : len(b) - end]
    if not left or not right or start + end < max(MIN_FRAME, MIN_FRAME_SHARE * min(len(a), len(b))):
        return None
    is_number = all(_NUMBER.search(part) for part in (left, right))
    if (_MANY.search(a) and not is_number) or same_answer(*_with_unit(a, b, start, end)) != "different":
        return None
    return Exchange(left, right)


def _with_unit(a: str, b: str, start: int, end: int) -> tuple[str, str]:
    """The values with the character after them, which tells that Chinese numerals are a number."""
    stop = max(0, end - 1) if _NUMBER.match(a[start : start + 1]) else end
    return a[start : len(a) - stop], b[start : len(b) - stop]


def _is_denial(denied: str, affirmed: str) -> bool:
    return _DENIAL.sub("", denied) in (affirmed, affirmed.replace("是", ""))


def _frame(a: str, b: str) -> tuple[int, int]:
    """Lengths of the common beginning and end; a number is not cut in the middle."""
    start = end = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    while start and _NUMBER.match(a[start - 1]):
        start -= 1
    while end and _NUMBER.match(a[len(a) - end]):
        end -= 1
    return start, end
