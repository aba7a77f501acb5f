"""Text in whatever encoding: right, or named as a guess."""

from __future__ import annotations

import pytest

from rag.ingest.loaders.encodings import decode

RUSSIAN = "Паромом управляет Иван Петров. Переправа стоит сорок рублей."
JAPANESE = "港の責任者は山田花子です。船は九時に出ます。"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Die Fähre gehört Jürgen Weiß."),
        ("cp1252", "Le gardien s’appelle André Lefèvre; il a été nommé en 1998."),
        ("cp1252", "The mooring fee is £40 a day and the café opens at 8."),
        ("cp1252", "El niño llegó mañana. ¿Dónde está el capitán?"),
        ("cp1252", "Færgen går fra Århus; den ejes af Søren Bjørn."),
        ("cp1250", "Kapitanem portu jest Stanisław Żółkiewski. Łódź odpływa o dziewiątej."),
        ("cp1250", "Přístav řídí Jiří Dvořák, loď odplouvá v devět."),
        ("iso8859-2", "Kapitanem portu jest Stanisław Żółkiewski. Łódź odpływa o dziewiątej."),
        ("cp1251", RUSSIAN),
        ("cp1251", "Пором відпливає о дев’ятій годині; капітан живе в Києві."),
        ("koi8-r", RUSSIAN),
        ("cp866", RUSSIAN),
        ("mac_cyrillic", RUSSIAN),
        ("cp1253", "Ο φάρος ανήκει στον Γιώργο και το πλοίο φεύγει στις εννέα."),
        ("cp1254", "Liman müdürü Ayşe Yılmaz’dır. Gemi saat dokuzda kalkar, ücret kırk liradır."),
        ("cp1255", "שומר המגדלור הוא דוד לוי. המעבורת יוצאת בשעה תשע."),
        ("cp1256", "حارس المنارة يسكن في القرية وتغادر العبارة في الساعة التاسعة."),
        ("cp1257", "Švyturio sargas yra Jonas Kazlauskas, keltas išplaukia devintą valandą."),
        ("cp874", "ผู้ดูแลประภาคารอาศัยอยู่ในหมู่บ้าน เรือออกเวลาเก้าโมง"),
        ("gbk", "主任是李明。"),
        ("gbk", "港口主任是李小龙。渡轮每天九点出发。票价四十元。"),
        ("big5", "港口主任是李小龍。渡輪每天九點出發。票價四十元。"),
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
        ("iso2022_jp", JAPANESE),
        ("euc_kr", "항구 책임자는 김민수입니다. 여객선은 아홉 시에 떠난다."),
        ("utf-16-le", "The owner of the barge is Piet Aalders."),
        ("utf-16-be", "The owner of the barge is Piet Aalders."),
    ],
)
def test_guesses_are_right_and_named(encoding: str, text: str) -> None:
    decoded, notes = decode(text.encode(encoding))
    assert decoded == text
    assert len(notes) == 1
    assert notes[0].endswith("a guess")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_the_bytes_say_is_no_guess(encoding: str) -> None:
    assert decode("Café Zürich — 港".encode(encoding)) == ("Café Zürich — 港", ())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Naïve café owner José. ".encode() * 3 + b"\xe9 end", "Naïve café owner José. " * 3 + "\ufffd end"),
        ("José Núñez".encode()[:-3] + b"\xf1", "José Nú\ufffd"),
        ("港口主任".encode()[:7] + "是李明的船".encode(), "港口\ufffd是李明的船"),
    ],
)
def test_one_bad_byte_spoils_one_character(content: bytes, text: str) -> None:
    decoded, notes = decode(content)
    assert decoded == text
    assert notes == ("1 place is not UTF-8 and shown as \ufffd",)


def test_a_declared_encoding_comes_before_a_guess() -> None:
    assert decode(RUSSIAN.encode("iso8859-5"), "ISO-8859-5") == (RUSSIAN, ())
    assert decode("naïve".encode("cp1252"), "no-such-encoding")[0] == "naïve"
    assert decode("“naïve”".encode("cp1252"), "iso-8859-1")[0] == "“naïve”"


def test_a_long_text_is_judged_by_its_foreign_lines() -> None:
    text = "plain line\n" * 50_000 + RUSSIAN
    assert decode(text.encode("koi8-r"))[0] == text
