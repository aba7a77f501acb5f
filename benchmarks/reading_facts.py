"""The facts that the reading benchmark plants: sentences, tables, and a story in each of ten scripts."""

# ruff: noqa: RUF001  texts of ten scripts

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

_FIRST = [
    "Ada",
    "Bruno",
    "Carla",
    "Dario",
    "Edda",
    "Fritz",
    "Greta",
    "Henk",
    "Ines",
    "Jonas",
    "Kaja",
    "Lars",
    "Mira",
    "Nadia",
    "Otto",
    "Pia",
    "Runa",
    "Stig",
    "Tove",
    "Ulla",
]
_LAST = [
    "Aalders",
    "Brandt",
    "Castell",
    "Dorn",
    "Eklund",
    "Falk",
    "Grindem",
    "Holm",
    "Ivers",
    "Jansen",
    "Krol",
    "Lind",
    "Moen",
    "Norgard",
    "Oss",
    "Prell",
    "Quist",
    "Ruud",
]
_THINGS = [
    "crane",
    "winch",
    "pump",
    "barge",
    "tower",
    "bridge",
    "ferry",
    "lock",
    "mill",
    "depot",
    "kiln",
    "quarry",
    "chapel",
    "museum",
    "signal",
    "store",
]
_PLACES = [
    "Selwick",
    "Harbyur",
    "Norvik",
    "Almere",
    "Tessin",
    "Orlova",
    "Kastrup",
    "Brenna",
    "Ludz",
    "Milano",
    "Cadiz",
    "Patras",
    "Varna",
    "Hobart",
    "Leith",
]


@dataclass(frozen=True)
class Cell:
    """A value of a table, with the headings of its row and column."""

    row: str
    column: str
    value: str


@dataclass(frozen=True)
class Case:
    """One file, and what stands in it.

    Attributes:
        name: what is special about it.
        suffix: its type.
        content: its bytes.
        sentences: planted, in the order of reading.
        cells: planted in tables.
        absent: what a reader of the page does not see.
    """

    name: str
    suffix: str
    content: bytes
    sentences: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass
class Facts:
    """A stream of sentences and tables that never repeats itself."""

    seed: int
    _random: random.Random = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def name(self) -> str:
        """Of a person."""
        return f"{self._random.choice(_FIRST)} {self._random.choice(_LAST)}"

    def sentence(self) -> str:
        """One fact with a number that no other has."""
        self._count += 1
        thing, place = self._random.choice(_THINGS), self._random.choice(_PLACES)
        number = 1000 * self.seed % 9000 + 1000 + self._count
        forms = (
            f"The {thing} of {place} was built by {self.name()} for {number} crowns.",
            f"In {place} the {thing} number {number} is kept by {self.name()}.",
            f"{self.name()} inspected the {thing} at {place} and wrote report {number} about it.",
        )
        return self._random.choice(forms)

    def sentences(self, count: int) -> list[str]:
        """Several facts."""
        return [self.sentence() for _ in range(count)]

    def table(self, num_rows: int, columns: tuple[str, ...] = ("Fee", "Depth", "Keeper")) -> list[list[str]]:
        """A table with a heading row; its first column names the rows."""
        rows = [["Berth", *columns]]
        for number in range(1, num_rows + 1):
            self._count += 1
            values = {
                "Fee": f"{self._count * 7 + 11}",
                "Depth": f"{number % 9 + 1}.{self._count % 10}",
                "Keeper": self.name(),
            }
            rows.append(
                [
                    f"Quay {self._random.choice(_PLACES)} {number}",
                    *(values.get(c, f"{c[0]}{self._count}") for c in columns),
                ]
            )
        return rows


def list_cells(table: list[list[str]]) -> tuple[Cell, ...]:
    """All values of a table with their headings."""
    headings = table[0]
    return tuple(
        Cell(row[0], heading, value)
        for row in table[1:]
        for heading, value in zip(headings[1:], row[1:], strict=True)
        if value
    )


# One text a script: sentences, and words of them that a person searches for.
SCRIPTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "latin": (
        (
            "Die Fähre nach Norvik fährt täglich um neun Uhr.",
            "Der Leuchtturm gehört Jürgen Weiß.",
            "Das Café öffnet im Frühling.",
        ),
        ("Fähre", "Leuchtturm", "Jürgen", "Frühling"),
    ),
    "cyrillic": (
        (
            "Паром отходит от причала каждый день в девять часов.",
            "Смотритель маяка живёт в деревне.",
            "Библиотека закрыта зимой.",
        ),
        ("Паром", "маяка", "Библиотека", "причала"),
    ),
    "greek": (
        ("Το πλοίο φεύγει κάθε μέρα στις εννέα.", "Ο φάρος ανήκει στον Γιώργο.", "Η βιβλιοθήκη κλείνει τον χειμώνα."),
        ("πλοίο", "φάρος", "βιβλιοθήκη", "Γιώργο"),
    ),
    "arabic": (
        ("تغادر العبارة كل يوم في الساعة التاسعة.", "حارس المنارة يسكن في القرية.", "المكتبة مغلقة في الشتاء."),
        ("العبارة", "المنارة", "المكتبة", "القرية"),
    ),
    "hebrew": (
        ("המעבורת יוצאת כל יום בשעה תשע.", "שומר המגדלור גר בכפר.", "הספרייה סגורה בחורף."),
        ("המעבורת", "המגדלור", "הספרייה", "בחורף"),
    ),
    "devanagari": (
        ("नाव हर दिन नौ बजे चलती है।", "प्रकाशस्तंभ का रक्षक गाँव में रहता है।", "पुस्तकालय सर्दियों में बंद रहता है।"),
        ("नाव", "प्रकाशस्तंभ", "पुस्तकालय", "गाँव"),
    ),
    "thai": (
        ("เรือข้ามฟากออกทุกวันเวลาเก้าโมง", "ผู้ดูแลประภาคารอาศัยอยู่ในหมู่บ้าน", "ห้องสมุดปิดในฤดูหนาว"),
        ("เรือข้ามฟาก", "ประภาคาร", "ห้องสมุด", "หมู่บ้าน"),
    ),
    "chinese": (
        ("渡轮每天九点从码头出发。", "灯塔的看守人住在村里。", "图书馆冬天关闭。"),
        ("渡轮", "灯塔", "图书馆", "码头"),
    ),
    "japanese": (
        ("フェリーは毎日九時に桟橋を出ます。", "灯台の守り人は村に住んでいます。", "図書室は冬に閉まります。"),
        ("フェリー", "灯台", "図書室", "桟橋"),
    ),
    "korean": (
        ("여객선은 매일 아홉 시에 부두를 떠난다.", "등대지기는 마을에 산다.", "도서관은 겨울에 문을 닫는다."),
        ("여객선은", "등대지기는", "도서관은", "부두를"),
    ),
}

# Running text in legacy encodings, as old programs wrote it.
LEGACY: tuple[tuple[str, str], ...] = (
    ("cp1252", "Le gardien du phare s'appelle André Lefèvre. Il a été nommé en 1998."),
    ("iso8859-1", "Die Fähre gehört Jürgen Weiß; sie fährt täglich."),
    ("cp1250", "Kapitanem portu jest Stanisław Żółkiewski. Łódź odpływa o dziewiątej."),
    ("iso8859-2", "Kapitanem portu jest Stanisław Żółkiewski. Łódź odpływa o dziewiątej."),
    ("cp1251", "Паромом управляет Иван Петров. Переправа стоит сорок рублей."),
    ("koi8-r", "Паромом управляет Иван Петров. Переправа стоит сорок рублей."),
    ("cp866", "Паромом управляет Иван Петров. Переправа стоит сорок рублей."),
    ("cp1253", "Ο φάρος ανήκει στον Γιώργο Παπαδάκη και το πλοίο φεύγει στις εννέα."),
    ("cp1254", "Liman müdürü Ayşe Yılmazdır. Gemi saat dokuzda kalkar, ücret kırk liradır."),
    ("cp1255", "שומר המגדלור הוא דוד לוי. המעבורת יוצאת בשעה תשע."),
    ("cp1256", "حارس المنارة يسكن في القرية وتغادر العبارة في الساعة التاسعة."),
    ("cp1257", "Švyturio sargas yra Jonas Kazlauskas, keltas išplaukia devintą valandą."),
    ("cp874", "ผู้ดูแลประภาคารอาศัยอยู่ในหมู่บ้าน เรือออกเวลาเก้าโมง"),
    ("gbk", "港口主任是李小龙。渡轮每天九点出发。票价四十元。"),
    ("big5", "港口主任是李小龍。渡輪每天九點出發。票價四十元。"),
    ("shift_jis", "港の責任者は田中一郎です。フェリーは九時に出ます。"),
    ("euc_jp", "港の責任者は田中一郎です。フェリーは九時に出ます。"),
    ("euc_kr", "항구 책임자는 김민수입니다. 여객선은 아홉 시에 떠난다."),
)


def number_seeds(count: int) -> Iterator[Facts]:
    """Sources of facts that do not share any."""
    return (Facts(seed) for seed in range(1, count + 1))
