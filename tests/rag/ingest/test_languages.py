"""What an encoder cannot read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.core.tokens import EstimatedTokens, TokenSpans
from rag.ingest.languages import can_read


class Reader:
    """A tokenizer with ``per_letter`` tokens and ``unknown`` letters."""

    max_tokens = 256

    def __init__(self, languages: Sequence[str] = (), per_letter: float = 0.3, unknown: float = 0.0) -> None:
        self.languages = frozenset(languages)
        self._per_letter, self._unknown = per_letter, unknown

    def read(self, texts: Sequence[str]) -> list[TokenSpans]:
        return [TokenSpans(range(int(self._per_letter * len(text))), int(self._unknown * len(text))) for text in texts]


ARABIC = "مدير الميناء هو سامي الخوري ومكتبه قرب المنارة"
CHINESE = "港口主任是李小龙他的办公室在旧灯塔旁边很近"


@pytest.mark.parametrize(
    ("reader", "text", "language", "expected"),
    [
        (Reader(["en"]), CHINESE, "zh", False),
        (Reader(["en", "zh"]), CHINESE, "zh", True),
        (Reader(), ARABIC, "ar", True),
        (Reader(per_letter=0.9), ARABIC, "ar", False),
        (Reader(per_letter=1.0), CHINESE, "zh", True),
        (Reader(per_letter=3.0), CHINESE, "zh", False),
        (Reader(per_letter=1.0, unknown=0.3), CHINESE, "zh", False),
        (Reader(per_letter=3.0), "馆长", "zh", True),
        (EstimatedTokens(), "बंदरगाह के प्रबंधक राजेश शर्मा हैं और वे यहाँ हैं।", "hi", True),
    ],
)
def test_by_the_models_word_or_its_tokens(
    reader: Reader | EstimatedTokens, text: str, language: str, expected: bool
) -> None:
    assert can_read(reader, text, language) == expected
