"""The language of a text by its script and its small words."""

from __future__ import annotations

import pytest

from rag.core.language import guess_language, may_be_english
from rag.core.scripts import count_scripts, main_script


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Who is the harbour master of Port Selwick?", "en"),
        ("Wer leitet den Hafen?", "de"),
        ("Où est la bibliothèque de la ville ?", "fr"),
        ("¿Dónde está la biblioteca?", "es"),
        ("Chi è il direttore del porto?", "it"),
        ("Quem é o diretor do porto?", "pt"),
        ("Wie is de havenmeester van de stad?", "nl"),
        ("Kto jest kapitanem portu i gdzie mieszka?", "pl"),
        ("谁是港口主任？", "zh"),
        ("港の責任者は誰ですか？", "ja"),
        ("항구 책임자는 누구입니까?", "ko"),
        ("من هو مدير الميناء؟", "ar"),
        ("बंदरगाह के प्रबंधक कौन हैं?", "hi"),
        ("ใครเป็นผู้จัดการท่าเรือ", "th"),
        ("Кто начальник порта?", "ru"),
        ("", ""),
        ("1952", ""),
        ("Edda Lindqvist", ""),
        ("Die Hard director", ""),
        ("When did Ludwig van Beethoven die?", "en"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert guess_language(text) == language
    assert may_be_english(text) == (language in ("", "en"))


def test_letters_are_counted_by_script() -> None:
    assert count_scripts("iPhone 手机 ホ") == {"latin": 6, "han": 2, "kana": 1}
    assert count_scripts("12 ?!") == {}
    assert main_script("iPhone 手机很好用，真的很好用") == "han"
    assert main_script("ⲀⲂⲄ") == "other"
