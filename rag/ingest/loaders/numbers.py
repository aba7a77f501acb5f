"""Numbers of spreadsheet cells as their format shows them: dates, percentages, amounts."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

# Formats that programs know by number: ECMA-376 part 1, 18.8.30.
_BUILT_IN = {
    "9": "0%", "10": "0.00%", "14": "yyyy-mm-dd", "15": "d-mmm-yy", "16": "d-mmm", "17": "mmm-yy", "18": "h:mm",
    "19": "h:mm:ss", "20": "h:mm", "21": "h:mm:ss", "22": "yyyy-mm-dd h:mm", "2": "0.00", "4": "0.00", "39": "0.00",
    "40": "0.00", "45": "mm:ss", "46": "[h]:mm:ss", "47": "mm:ss",
}  # fmt: skip
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)[^\]]*\]|([$€£¥₹₽₩])')
_NOT_SHOWN = re.compile(r"\[(?!h|m|s)[^\]]*\]|_.|\*.", re.IGNORECASE)


def show_number(value: str, style: str, is_1904: bool = False) -> str:
    """A stored number as text. Digits stay whole and ungrouped, so that a search finds them.

    Args:
        value: as the file has it.
        style: the code of its number format, or the number of one that is built in.
        is_1904: whether the workbook counts days from 1904.
    """
    try:
        number = float(value)
    except ValueError:
        return value
    code = _BUILT_IN.get(style, style)
    code = code.split(";")[0]
    bare = _NOT_SHOWN.sub("", _LITERAL.sub("", code))
    if re.search(r"[ydhs]|mmm", bare, re.IGNORECASE) and not re.search("[0#?]", bare.replace("ss.0", "")):
        return _show_date(number, bare.lower(), is_1904) or _show_plain(value, number, 0)
    decimals = re.search(r"[.]([0#?]+)", bare)
    fixed = decimals[1].count("0") if decimals else 0
    if "%" in bare:
        return _pad(f"{number * 100:.12g}", fixed) + "%"
    text = _show_plain(value, number, fixed)
    before, after = _find_literals(code)
    return f"{before}{text}{after}" if len(before) + len(after) <= 40 else text


def _show_plain(value: str, number: float, decimals: int) -> str:
    if re.fullmatch(r"-?\d{1,18}", value):
        return _pad(value, decimals)
    return _pad(f"{number:.15g}", decimals)


def _pad(text: str, decimals: int) -> str:
    """With at least so many digits behind the point."""
    if not decimals or not re.fullmatch(r"-?\d+(\.\d+)?", text):
        return text
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(min(decimals, 30), '0')}"


def _find_literals(code: str) -> tuple[str, str]:
    """What a format writes before and after the digits, such as a currency."""
    code = re.sub(r"_.|\*.", "", code)
    digits = re.search(r"[0#?][0#?.,]*", _LITERAL.sub(lambda match: "\x00" * len(match[0]), code))
    if not digits:
        return "", ""
    return _join_literals(code[: digits.start()]), _join_literals(code[digits.end() :])


def _join_literals(code: str) -> str:
    matches = re.finditer(_LITERAL.pattern + "|( )", code)
    return "".join(next((group for group in match.groups() if group), "") for match in matches)


def _show_date(number: float, code: str, is_1904: bool) -> str:
    """ISO date, time or both; durations in hours; empty where the number is no date."""
    if "[h]" in code:
        minutes = round(number * 1440)
        return f"{minutes // 60}:{minutes % 60:02}"
    if not 0 <= number < 2_958_466:
        return ""
    if not is_1904 and number < 60:
        number += 1  # Excel knows a 29 February 1900
    start = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)
    moment = start + timedelta(seconds=round(number * 86400))
    has_date = re.search("[yd]|mmm", code) is not None
    has_time = re.search("[hs]", code) is not None
    time = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    if has_date and has_time:
        return f"{moment:%Y-%m-%d} {time}"
    return f"{moment:%Y-%m-%d}" if has_date else time
