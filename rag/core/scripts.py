"""Scripts by their code points: which are written without blanks, and which know no capitals.

Source: the block and script tables of the Unicode Standard.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

# Ranges for the inside of a character class. Marks that belong to a letter are in the range of their script.
HAN = "\u2e80-\u2fd5\u3005\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u3096\u3099-\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3"
THAI = "\u0e01-\u0e2e\u0e30-\u0e3a\u0e40-\u0e4e"
LAO = "\u0e81-\u0ecf\u0edc-\u0edf"
MYANMAR = "\u1000-\u103f\u1050-\u109f\uaa60-\uaa7f"
KHMER = "\u1780-\u17d3\u17d7\u17dc\u17dd"
ARABIC = (
    "\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06e8\u06ea-\u06ef\u06fa-\u06fc"
    "\u0750-\u077f\u08a0-\u08ff"
)
HEBREW = "\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u05d0-\u05f2"
# Devanagari to Sinhala: one letter is a base with the marks after it.
INDIC = "\u0900-\u0963\u0971-\u09f1\u09fc-\u0a6f\u0a70-\u0aef\u0af9-\u0b6f\u0b71-\u0bef\u0c00-\u0df3"
ETHIOPIC = "\u1200-\u135f\u1380-\u138f"
TIBETAN = "\u0f00\u0f18\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0f84\u0f86-\u0fbc"
GEORGIAN = "\u10d0-\u10ff"

# Chinese, Japanese, Thai, Lao, Burmese, Khmer. Korean has blanks, but its particles are written onto the words.
UNSPACED = HAN + KANA + HANGUL + THAI + LAO + MYANMAR + KHMER
# Written with blanks and without capitals.
CASELESS = ARABIC + HEBREW + INDIC + ETHIOPIC + TIBETAN + GEORGIAN

Script = Literal[
    "latin", "greek", "cyrillic", "han", "kana", "hangul", "thai", "arabic", "hebrew", "indic", "other", ""
]
_RANGES: dict[Script, str] = {
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": "\u0400-\u052f",
    "han": HAN,
    "kana": KANA,
    "hangul": HANGUL,
    "thai": THAI,
    "arabic": ARABIC,
    "hebrew": HEBREW,
    "indic": INDIC,
}
_PATTERNS = {script: re.compile(f"[{ranges}]") for script, ranges in _RANGES.items()}
_LETTER = re.compile(r"[^\W\d_]")
IS_UNSPACED = re.compile(f"[{UNSPACED}]")
IS_CASELESS = re.compile(f"[{UNSPACED}{CASELESS}]")


def count_scripts(text: str) -> Counter[Script]:
    """Letters of ``text`` by script; letters of scripts that are not told apart here are ``other``."""
    if text.isascii():
        num_latin = len(_LETTER.findall(text))
        return Counter({"latin": num_latin} if num_latin else {})
    counts: Counter[Script] = Counter()
    for script, pattern in _PATTERNS.items():
        counts[script] = len(pattern.findall(text))
    counts["other"] = max(len(_LETTER.findall(text)) - counts.total(), 0)
    return +counts


def main_script(text: str) -> Script:
    """The script of most letters; Japanese is ``kana`` where a tenth of it is; empty without letters."""
    counts = count_scripts(text)
    if counts["kana"] * 10 >= counts["han"] + counts["kana"] > 0:
        counts["kana"] += counts.pop("han", 0)
    return max(counts, key=lambda script: counts[script]) if counts else ""
