"""Names in scripts without capitals, and in texts that use none. No model and no dictionary.

The rule is that of :mod:`kg.names`, one step simpler: closed-class words are no names, and a name stands between them.
So common nouns are found too ("office", "lighthouse"); they link passages that are about the same thing, and weigh
little where many passages have them.

* Arabic, Hebrew, Indic scripts: runs of words between closed-class words.
* Chinese: runs of characters between closed-class characters; of a longer run also the beginning and the end that a
  common surname begins ("馆长王芳": 王芳).
* Japanese: runs of kanji and katakana; hiragana writes endings and particles.
* Korean: words without the particle that is written onto them; a particle ends the run.
* Thai and other scripts of its kind: runs between closed-class words. A closed-class word inside a longer word cuts it.
* Latin, Greek, Cyrillic: only where a text has no capital at all.

What it cannot do: tell a name from a noun, find a name that contains a closed-class word that is not joining, or find
a small-lettered name in a text that uses capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.core.language import small_words
from rag.core.scripts import CASELESS, HAN, HANGUL, KANA, KHMER, LAO, MYANMAR, THAI

Span = tuple[int, int]
_MAX_WORDS = 3
_MAX_SIGNS = 12
_SPACED_WORDS = (
    # Arabic, Persian, Urdu
    "في من على إلى عن مع هو هي هم هذا هذه ذلك تلك التي الذي الذين أن إن لا ما لم لن قد كان كانت يكون كل بعد قبل بين "
    "حتى ثم "
    "أو أم بل لكن عند عندما حيث كما أين متى كيف لماذا قرب تحت فوق غير أي به له لها فيه فيها عليه و "
    "از به با را که این آن است بود در برای تا هر یک کی کجا چه "
    "کا کی کے کو سے میں پر نے ہے ہیں تھا تھی تھے اور یہ وہ "
    # Hebrew
    "של את על עם הוא היא הם הן זה זו אלה לא כן כי אם או גם רק כל מה מי איפה מתי איך למה אל מן היה היתה היו יש אין "
    # Hindi and its neighbours
    "का की के को से में पर ने है हैं था थी थे और या यह वह ये वे इस उस इन उन जो कि तो भी ही न नहीं एक कौन क्या कब कहाँ "
    "कैसे क्यों लिए साथ बाद तक हो होता होती गया गई गए कर रहा रही रहे आहे आणि এবং এই ও হয় করে থেকে "
)
_SPACED_CLOSED = frozenset(_SPACED_WORDS.split())
_CHINESE_CLOSED = "的了是在但也都就很不没由被把从他她它我你您们这那哪谁吗呢吧啊着叫每几"
# They join parts of a name ("共和国", "有限公司") as often as they part two names.
_CHINESE_JOINERS = "和与及或于为有"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪"
    "范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤張劉陳楊黃趙吳孫馬羅鄭許韓馮鄧"
    "蕭葉蘇呂盧鐘譚陸賈韋鄒龍陶賀顧龔錢嚴湯"
)
_HONORIFICS = re.compile("(?:先生|女士|小姐|教授|博士|主任|老师|老師|市长|市長|経理|经理|医生|醫生|氏|様|さん)$")
_NAME_BEFORE_COURTESY = re.compile(
    f"[{_SURNAMES}][{HAN}]{{1,2}}(?=先生|女士|小姐|教授|博士|主任|老师|老師|市长|市長|经理|医生|醫生)"
)
_KOREAN_ENDINGS = re.compile(
    "(?:이었습니다|였습니다|입니다|이었다|이라고|에게서|에서는|으로는|이고|이며|이다|에서|에게|에는|으로|부터|까지|처럼|보다|라고|"
    "께서|은|는|이|가|을|를|의|에|로|와|과|도|만)$"
)
_KOREAN_COURTESY = re.compile("(?:씨|님)$")
_KOREAN_VERB = re.compile("(?:습니다|니까|다|요|까)$")
_THAI_CLOSED = re.compile(
    "คือ|เป็น|ชื่อ|นางสาว|นาย(?!ก)|นาง|คุณ|อยู่|นี้|นั้น|ที่|ของ|และ|หรือ|แต่|ซึ่ง|โดย|จาก|ให้|ได้|ไม่|มี|ว่า|ใน|กับ|เมื่อ|เพื่อ|ด้วย|ใคร|อะไร|ไหน|อย่างไร|"
    "ແມ່ນ|ແລະ|ຢູ່|ຂອງ|ທີ່|និង|នៅ|គឺ|ជា|របស់|သည်|ကို|၏|နှင့်|မှာ"
)
_SPACED_WORD = re.compile(f"[{CASELESS}]+")
_HAN_RUN = re.compile(f"[{HAN}{KANA}·・]+")
_HIRAGANA = "\u3041-\u3096\u309d\u309e"
_NAME_RUN = re.compile(f"[^{_HIRAGANA}]+")
_IS_KANA = re.compile(f"[{_HIRAGANA}\u30a1-\u30fa]")
_CHINESE_PART = re.compile(f"[^{_CHINESE_CLOSED}]+")
_CHINESE_NAME = re.compile(f"[^{_CHINESE_JOINERS}]+")
_HANGUL_WORD = re.compile(f"[{HANGUL}]+")
_THAI_RUN = re.compile(f"[{THAI}{LAO}{KHMER}{MYANMAR}\u200b]+")
_LATIN_WORD = re.compile(r"[^\W_]+(?:['\u2019.\-&][^\W_]+)*")
_HAS_CASELESS = re.compile(f"[{CASELESS}{HAN}{KANA}{HANGUL}{THAI}{LAO}{KHMER}{MYANMAR}]")


def caseless_spans(text: str) -> Iterator[Span]:
    """Where a name may stand in ``text``, nested ones included, in no order."""
    if _HAS_CASELESS.search(text):
        yield from _spaced(text)
        yield from _han(text)
        yield from _korean(text)
        yield from _thai(text)
    if not any(map(str.isupper, text)):
        words = [match.span() for match in _LATIN_WORD.finditer(text) if not _HAS_CASELESS.search(match.group())]
        yield from _nested(_runs(text, [word for word in words if not _is_small(text[slice(*word)])]))


def _is_small(word: str) -> bool:
    return word in small_words() or word.isdecimal()


def _spaced(text: str) -> Iterator[Span]:
    words = [match.span() for match in _SPACED_WORD.finditer(text) if match.group() not in _SPACED_CLOSED]
    yield from _nested(_runs(text, words))


def _runs(text: str, words: Sequence[Span]) -> Iterator[list[Span]]:
    """Words that only a blank divides."""
    run: list[Span] = []
    for word in words:
        if run and text[run[-1][1] : word[0]] not in (" ", "\u00a0"):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _nested(runs: Iterator[list[Span]]) -> Iterator[Span]:
    """Every run of up to three words."""
    for run in runs:
        for first in range(len(run)):
            for last in range(first, min(first + _MAX_WORDS, len(run))):
                yield run[first][0], run[last][1]


def _han(text: str) -> Iterator[Span]:
    yield from (match.span() for match in _NAME_BEFORE_COURTESY.finditer(text))
    is_japanese = _IS_KANA.search(text) is not None
    for run in _HAN_RUN.finditer(text):
        for part in (_NAME_RUN if is_japanese else _CHINESE_PART).finditer(run.group()):
            start = run.start() + part.start()
            if is_japanese:
                yield from _signs(text, start, start + len(part.group()))
                continue
            names = [(start + name.start(), start + name.end()) for name in _CHINESE_NAME.finditer(part.group())]
            for first in range(len(names)):
                for last in range(first, min(first + _MAX_WORDS, len(names))):
                    yield from _signs(text, names[first][0], names[last][1])


def _signs(text: str, start: int, end: int) -> Iterator[Span]:
    """A run of Chinese characters or katakana: itself, without its title of courtesy, and its end from a surname on."""
    if not 2 <= end - start <= _MAX_SIGNS:
        return
    yield start, end
    courtesy = _HONORIFICS.search(text, start, end)
    if courtesy and courtesy.start() - start >= 2:
        end = courtesy.start()
        yield start, end
    for length in (2, 3):
        if end - start > length:
            if text[end - length] in _SURNAMES:
                yield end - length, end
            if text[start] in _SURNAMES:
                yield start, start + length


def _korean(text: str) -> Iterator[Span]:
    run: list[Span] = []
    for match in _HANGUL_WORD.finditer(text):
        if run and text[run[-1][1] : match.start()] != " ":
            yield from _nested(iter([run]))
            run = []
        stem = _KOREAN_ENDINGS.sub("", match.group())
        has_particle = 2 <= len(stem) < len(match.group())
        if not has_particle and _KOREAN_VERB.search(match.group()):
            yield from _nested(iter([run]))
            run = []
            continue
        yield match.span()  # what looks like a particle may belong to a name
        word = stem if has_particle else match.group()
        name = _KOREAN_COURTESY.sub("", word) if len(word) > 2 else word
        run.append((match.start(), match.start() + len(name)))
        if len(name) < len(match.group()):
            yield from _nested(iter([run]))
            run = []
    yield from _nested(iter([run]))


def _thai(text: str) -> Iterator[Span]:
    pieces: list[Span] = []
    for match in _THAI_RUN.finditer(text):
        start = match.start()
        for word in _THAI_CLOSED.finditer(match.group()):
            pieces.append((start, match.start() + word.start()))
            start = match.start() + word.end()
        pieces.append((start, match.end()))
    yield from _nested(_runs(text, [(start, end) for start, end in pieces if end - start > 1]))
