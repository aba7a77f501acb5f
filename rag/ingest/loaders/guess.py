"""Which encoding a text without a declaration is in.

Each candidate decodes the bytes; the one whose signs fit a language best is taken. Libraries for this are good on long
texts and often wrong on a sentence (docs/DEPENDENCIES.md has the figures).
"""

# ruff: noqa: RUF001  letters of all scripts that look like Latin ones are what this is about

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_FIRST_BYTES = 6000
_FOREIGN = re.compile(rb"[\x80-\xff]")
_QUOTES = set("‘’‚“”„–—…•€№«»£§©®°·½¼¿¡²µ±×‹›\xa0")


@dataclass(frozen=True)
class _Script:
    """An encoding, and the letters beyond ASCII of each language that is written in it; frequent ones first."""

    encoding: str
    languages: tuple[str, ...]
    is_latin: bool = True


_WEST = (
    "äüöß", "éèàêçâîôûùëïœüæÿ", "áéíóúñü", "ãçáéíóúâêôàõ", "àèéìòù", "äöåé", "æøåéö", "íáéúóýæö\xf0\xfe",
    "éëïöèü", "àéèíïòóúüç",
)  # fmt: skip
_CENTRAL = ("ąęółśżźćń", "íáéěřšžčýůúťňďó", "áíéžšľčýťúňôďäŕĺó", "áéöőóüíúű", "šćčžđ", "ăâîşţșț", "ëç")
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
_CYRILLIC = (
    _RUSSIAN,
    "оаніирвтелксмдупзяьбгйчхцїжєшющфґ",
    "аоиетнрсвпклдзъмгбуячжцщйхшфюь",
    "аоиенртсјувкдпмлзгбшчцжћђљњхџф",
)
_GREEK = ("αοιετσνηυρπκμλςωγδχθφβξζψάέήίόύώϊϋΐΰ",)
_HEBREW = ("יוהלאמתרשבנדקעחכםפגטסזןצךףץ",)
_ARABIC = ("اليمنوترهبعدسفكقحجةشصىخطذزغءضثأإئؤظآ،؟", "اینردهمتوسبشکگلزخفجعحقپطصآئذضغظثچژ،؟")
_TURKISH = ("ıüşçğöİâîû",)
_BALTIC = ("šėųūžąįčę", "āīēšņļžķčģū", "äõüöšž")
_THAI = ("านรอกเงมยลวดทตสพะีบัปคห่้ิ็ไใขจชแโ์ุูึืำถธผฝฟซณญศษภฉฐฏฎฑฒฬอฮๆฯ",)
_VIETNAMESE = ("đôưăâêơ\u0300\u0301\u0309\u0303\u0323áàéèíìóòúùý",)

_SCRIPTS = (
    _Script("cp1252", _WEST),
    _Script("cp1251", _CYRILLIC, False),
    _Script("cp1250", _CENTRAL),
    _Script("cp1254", _TURKISH),
    _Script("cp1253", _GREEK, False),
    _Script("cp1255", _HEBREW, False),
    _Script("cp1256", _ARABIC, False),
    _Script("cp1257", _BALTIC),
    _Script("cp874", _THAI, False),
    _Script("koi8-r", (_RUSSIAN,), False),
    _Script("koi8-u", _CYRILLIC[1:2], False),
    _Script("cp866", _CYRILLIC, False),
    _Script("iso8859-5", _CYRILLIC, False),
    _Script("mac_cyrillic", _CYRILLIC, False),
    _Script("iso8859-2", _CENTRAL),
    _Script("iso8859-7", _GREEK, False),
    _Script("iso8859-6", _ARABIC[:1], False),
    _Script("iso8859-13", _BALTIC),
    _Script("iso8859-15", _WEST),
    _Script("mac_roman", _WEST),
    _Script("cp850", _WEST),
    _Script("cp852", _CENTRAL),
    _Script("cp1258", _VIETNAMESE),
)
# The signs that are most frequent in running text; half of all Chinese signs are among the first hundred or so.
_SIMPLIFIED = set(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成"
    "方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工"
    "使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西月话合回特代内信表化"
    "老给世位次度门任常先海通教原东声提立及比员解水名真论处走义各入几口认条平系气题活更别打女变四神总何电数安少报才结反受目"
    "太量再感建务做接必场件计管期市直德资命山金指许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王"
    "每天早晚船港价票六七八九百千万元岁"
)
_TRADITIONAL = set(
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成"
    "方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工"
    "使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西月話合回特代內信表化"
    "老給世位次度門任常先海通教原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活更別打女變四神總何電數安少報才結反受目"
    "每早晚船港價票六七八九百千萬元歲"
)
_KOREAN = set(
    "이다는의에을를가은고하한지로사도기리어자대나인서시있아해부정일수보그라제들전주습니합입과년만원장화생성공국"
)
_WIDE_POINTS = set("，。、：；！？「」『』（）《》“”‘’・ー〜…　．％")
_WIDE = ("gb18030", "cp932", "euc_jp", "cp949", "big5hkscs")


def guess_encoding(content: bytes) -> str:
    """The most likely encoding of ``content``, which is not UTF-8. Earlier candidates win where two fit alike."""
    sample = _shorten(content)
    scores = {script.encoding: _score_narrow(sample, script) - number / 1000 for number, script in enumerate(_SCRIPTS)}
    scores |= {encoding: _score_wide(sample, encoding) for encoding in _WIDE}
    return max(scores, key=lambda encoding: scores[encoding])


def _shorten(content: bytes) -> bytes:
    """The lines that hold bytes beyond ASCII, up to some thousand bytes."""
    lines, size, position = [], 0, 0
    while size < _FIRST_BYTES and (match := _FOREIGN.search(content, position)):
        start = max(content.rfind(b"\n", position, match.start()) + 1, match.start() - _FIRST_BYTES, position)
        end = content.find(b"\n", match.end())
        position = min(len(content) if end < 0 else end + 1, match.end() + _FIRST_BYTES)
        lines.append(content[start:position])
        size += len(lines[-1])
    return b"".join(lines)


def _score_narrow(content: bytes, script: _Script) -> float:
    """How well the text fits its best language: 1 is perfect, per sign beyond ASCII."""
    text = content.decode(script.encoding, "replace")
    total = sum(not char.isascii() for char in text)
    if not total:
        return 0.0
    shape = sum(_judge_shape(text, match, script.is_latin) for match in re.finditer(r"[^\x00-\x7f]", text))
    return (shape + max(_fit(text, letters) for letters in script.languages)) / total


def _fit(text: str, letters: str) -> float:
    """The sum over all signs: letters of the language 1 (frequent ones more), other letters less than nothing."""
    weights = {letter: 1.1 - 0.4 * rank / len(letters) for rank, letter in enumerate(letters)}
    weights |= {letter.upper(): weight for letter, weight in weights.items() if len(letter.upper()) == 1}
    return sum(weights.get(char, 0.6 if char in _QUOTES else -1.0) for char in text if not char.isascii())


def _judge_shape(text: str, match: re.Match[str], is_latin: bool) -> float:
    """What is wrong with one sign where it stands; 0 for nothing."""
    char, position = match[0], match.start()
    before = text[position - 1 : position]
    after = text[position + 1 : position + 2]
    category = unicodedata.category(char)
    if category in ("Cc", "Cn", "Co") or char == "\ufffd":
        return -5.0
    if category[0] != "L":
        inside = before.isalpha() and after.isalpha()
        return -1.5 if inside and category != "Mn" and char not in "\u2019\xb7" else 0.0
    wrong = 0.0
    if char.isupper() and before.islower():
        wrong -= 1.0
    if before.isdigit() or after.isdigit():
        wrong -= 0.8
    if is_latin:
        neighbours = text[max(0, position - 2) : position + 3]
        wrong -= 0.5 * (sum(not each.isascii() and each.isalpha() for each in neighbours) > 2)
    elif (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha()):
        wrong -= 1.0
    return wrong


def _score_wide(content: bytes, encoding: str) -> float:
    """How well the text fits Chinese, Japanese or Korean, per sign."""
    text = content.decode(encoding, "replace")
    chars = [char for char in text if not char.isascii()]
    if not chars:
        return 0.0
    if text.count("\ufffd") > len(chars) // 50 + 1:
        return -5.0
    return sum(_judge_wide(char, encoding) for char in chars) / len(chars)


def _judge_wide(char: str, encoding: str) -> float:
    if char in _WIDE_POINTS:
        return 0.8
    is_japanese = encoding in ("cp932", "euc_jp")
    if "\u3041" <= char <= "\u30ff":
        return 1.1 if is_japanese else -1.0
    if "\uac00" <= char <= "\ud7a3":
        return (1.1 if char in _KOREAN else 0.6) if encoding == "cp949" else -1.0
    if "\u4e00" <= char <= "\u9fff":
        return _judge_sign(char, encoding)
    return 0.0 if "\uff01" <= char <= "\uff5e" else -1.5


def _judge_sign(char: str, encoding: str) -> float:
    """Chinese signs: frequent ones, those of the first level of the character set, rare ones."""
    if encoding == "cp949":
        return -0.3
    if char in (_TRADITIONAL if encoding == "big5hkscs" else _SIMPLIFIED if encoding == "gb18030" else ()):
        return 1.1
    code = char.encode(encoding, "replace")
    limits = {"gb18030": (0xB0, 0xD7), "big5hkscs": (0xA4, 0xC6), "euc_jp": (0xB0, 0xCF), "cp932": (0x88, 0x98)}
    first, last = limits[encoding]
    return 0.6 if len(code) == 2 and first <= code[0] <= last else -0.5
