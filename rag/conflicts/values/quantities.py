"""Quantities in running text: a number, what it counts, and how exactly. "7 days" is "a week"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from rag.conflicts.values.numbers import Number, find_numbers
from rag.conflicts.values.sameness import Sameness
from rag.conflicts.values.words import word_set

# Units of different systems are rounded when they are converted; relative.
CONVERSION_TOLERANCE = Fraction(1, 50)
# "about 50,000" may be off by this much from an exact number; relative.
ROUNDING_TOLERANCE = Fraction(1, 20)

_TABLE: dict[str, dict[str, int | Fraction]] = {
    "time": {
        "second sec s 秒 초": 1, "minute min 分钟 分": 60, "hour hr h 小时 時間 시간": 3600, "day 天 日間 일": 86400,
        "week 周 週間 주": 604800, "fortnight": 1209600,
    },
    "months": {
        "month 个月 ヶ月 개월": 1, "quarter": 3, "year yr annum 年間": 12, "decade": 120, "century centurie": 1200,
    },
    "length": {
        "millimeter millimetre mm": 1, "centimeter centimetre cm": 10, "meter metre m 米": 1000,
        "kilometer kilometre km 公里": 10**6, "inch inche": Fraction(254, 10), "foot feet ft": Fraction(3048, 10),
        "yard yd": Fraction(9144, 10), "mile mi": 1609344,
    },
    "area": {"hectare ha": 10000, "acre": Fraction(404686, 100), "km2 km²": 10**6, "m2 m²": 1},
    "mass": {
        "gram gramme g": 1, "kilogram kilogramme kg kilo 公斤": 1000, "tonne": 10**6, "ounce oz": Fraction(2835, 100),
        "lb lbs": Fraction(45359, 100),
    },
    "volume": {"milliliter millilitre ml": 1, "liter litre l 升": 1000, "gallon": 3785},
    "speed": {"km/h kph kmh": 1, "mph": Fraction(160934, 100000)},
    "data": {"kilobyte kb": 1, "megabyte mb": 10**3, "gigabyte gb": 10**6, "terabyte tb": 10**9},
    "ratio": {"% percent percentage pct \uff05 prozent": Fraction(1, 100)},
    "dollar": {"dollar usd": 1, "cent": Fraction(1, 100)},
    "euro": {"euro eur": 1},
    "pound": {"pound gbp quid": 1, "penny pence": Fraction(1, 100)},
    "yen": {"yen jpy 円": 1},
    "yuan": {"yuan rmb cny 元": 1},
    "rupee": {"rupee inr": 1},
    "franc": {"franc chf": 1},
}  # fmt: skip
_UNITS = {
    name: (dimension, Fraction(factor))
    for dimension, units in _TABLE.items()
    for names, factor in units.items()
    for name in names.split()
}
_SIGNS = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee"}
_CODES = {"usd": "dollar", "eur": "euro", "gbp": "pound", "jpy": "yen", "us": "dollar", "rs": "rupee"}
_SQUARES: dict[str, int | Fraction] = {
    "kilometer": 10**6,
    "km": 10**6,
    "meter": 1,
    "m": 1,
    "mile": 2589988,
    "foot": Fraction(929, 10000),
}
_BEFORE = re.compile(r"(?:\b(usd|eur|gbp|jpy|us|rs\.?)\s?)?([$€£¥₹])?\s?$", re.IGNORECASE)
_ABOUT = re.compile(
    r"(?:\b(about|approximately|approx\.?|around|roughly|some|circa|ca\.?|c\.|nearly|almost|an estimated|estimated|"
    r"just over|just under)|[~≈])\s*(?:the\s+)?[$€£¥₹]?\s*$",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\b(more than|over|at least|above|no less than|less than|under|at most|below|up to|fewer than|no more than)\s+"
    r"(?:the\s+)?[$€£¥₹]?\s*$",
    re.IGNORECASE,
)
_LOWER_BOUNDS = ("more", "over", "at least", "above", "no less")
_AFTER = re.compile(
    r"\s?([%\uff05]|°\s?[CF]\b)|\s?-?(?:(square|sq\.?|cubic)\s+)?([^\W\d_]+[²2]?(?:/h)?)", re.IGNORECASE
)
_SECOND = re.compile(r"[\s-]([^\W\d_]+)")
_PER_CENT = re.compile(r"\s?per\s?cent\b", re.IGNORECASE)
_NOT_COUNTED = word_set(
    "of in on at by to from and or the a an is was were are be for with as that which who but than per after before "
    "since until when where while if not no it its he she they this these those has have had ad bc am pm"
)
_A_UNIT = re.compile(
    r"\ban?\s+(?P<unit>second|minute|hour|day|week|fortnight|month|year|decade|century|mile|kilomet(?:er|re)|dollar|"
    r"euro|"
    r"pound|kilo|litre|liter|tonne)\b(?=\s*(?:$|[.,;]|of\b|after|before|from|long|later|ago))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quantity:
    """A number and what it counts.

    Attributes:
        value: in the first unit of its dimension.
        dimension: "time", "length", a currency, "ordinal", "ratio", or empty for what no table knows.
        counted: the noun after the number where no unit was known ("people"), in the singular; else what stands
            between number and unit ("working" days).
        is_rounded: "about 50,000", "3.5 million".
        bound: 1 for "more than", -1 for "less than", else 0.
        unit: the unit's name, to tell converted values from exact ones.
        start, end: span in the text, end excluded.
    """

    value: Fraction
    dimension: str
    counted: str
    is_rounded: bool
    bound: int
    unit: str
    start: int
    end: int


@lru_cache(maxsize=4_000)
def find_quantities(text: str) -> tuple[Quantity, ...]:
    """Every quantity of a text, in its order."""
    numbers = list(find_numbers(text))
    quantities = [_read(text, number) for number in numbers]
    for match in _A_UNIT.finditer(text):
        dimension, factor = _UNITS[_bare(match["unit"])]
        quantities.append(Quantity(factor, dimension, "", False, 0, _bare(match["unit"]), *match.span()))
    return tuple(sorted(quantities, key=lambda quantity: quantity.start))


def compare_quantities(one: Quantity, other: Quantity) -> Sameness:
    """``fuller`` where only one names what it counts, or gives the exact number of a rounded one."""
    one, other = _time_in_days(one, other), _time_in_days(other, one)
    same_kind = _compare_kinds(one, other)
    if same_kind == "different":
        return "different"
    if one.value == other.value:
        is_equal = same_kind == "equal" and one.bound == other.bound
        return "equal" if is_equal else "fuller"
    wide = abs(one.value - other.value) / max(abs(one.value), abs(other.value))
    is_converted = bool(one.dimension) and one.dimension not in ("time", "months", "ordinal") and one.unit != other.unit
    if is_converted and wide <= CONVERSION_TOLERANCE:
        return "equal"
    if one.bound or other.bound:
        return "fuller" if _fits(one, other) or _fits(other, one) else "different"
    return "fuller" if one.is_rounded != other.is_rounded and wide <= ROUNDING_TOLERANCE else "different"


def _fits(bounded: Quantity, exact: Quantity) -> bool:
    """Whether an exact value lies beyond a bound, and near enough to be meant by it."""
    if not bounded.bound or exact.bound:
        return False
    is_beyond = (exact.value - bounded.value) * bounded.bound >= 0
    return is_beyond and abs(exact.value - bounded.value) <= abs(bounded.value) / 4


def _compare_kinds(one: Quantity, other: Quantity) -> Sameness:
    if one.dimension != other.dimension:
        is_bare = any(not quantity.dimension and not quantity.counted for quantity in (one, other))
        return "fuller" if is_bare else "different"
    return "equal" if one.counted == other.counted else "fuller"


def _time_in_days(quantity: Quantity, other: Quantity) -> Quantity:
    """Months as days where the other one is in days: a month has 30, a year 365."""
    if quantity.dimension != "months" or other.dimension != "time":
        return quantity
    years, months = divmod(quantity.value, 12)
    days = years * 365 + months * 30
    return Quantity(days * 86400, "time", "", quantity.is_rounded, quantity.bound, "day", quantity.start, quantity.end)


def _read(text: str, number: Number) -> Quantity:
    before = _BEFORE.search(text, 0, number.start)
    sign = _currency(before)
    dimension, factor, counted, unit, end = _unit_after(text, number)
    if sign and dimension in ("", "length"):  # "$5m" is no length
        factor = Fraction(10**6) if unit == "m" else Fraction(1)
        dimension, counted, unit = sign, "", sign
    if number.is_ordinal:
        dimension, factor, unit, end, counted = "ordinal", Fraction(1), "ordinal", number.end, ""
    elif number.is_ratio and not dimension:
        dimension, unit = "ratio", "part"
    start = before.start() if before and sign else number.start
    about, bound = _ABOUT.search(text, 0, start), _BOUND.search(text, 0, start)
    side = 0 if not bound else 1 if bound[1].lower().startswith(_LOWER_BOUNDS) else -1
    start = min(match.start() for match in (about, bound) if match) if about or bound else start
    value = number.value * factor
    if unit == "fahrenheit":
        value = (number.value - 32) * 5 / 9
    return Quantity(value, dimension, counted, bool(about) or number.is_rounded, side, unit, start, end)


def _currency(before: re.Match[str] | None) -> str:
    if before is None:
        return ""
    return _SIGNS.get(before[2] or "") or (_CODES.get((before[1] or "").lower().rstrip("."), "") if before[1] else "")


def _unit_after(text: str, number: Number) -> tuple[str, Fraction, str, str, int]:
    """Dimension, factor, the counted noun where no unit is known, the unit's name, and where it ends."""
    nothing = ("", Fraction(1), "", "", number.end)
    per_cent = _PER_CENT.match(text, number.end)
    if per_cent:
        return "ratio", Fraction(1, 100), "", "percent", per_cent.end()
    match = _AFTER.match(text, number.end)
    if match is None:
        return nothing
    if match[1]:
        return _sign(match)
    name = _bare(match[3])
    if match[2] and name in _SQUARES and match[2].lower().startswith("sq"):
        return "area", Fraction(_SQUARES[name]), "", f"square {name}", match.end()
    if name in _UNITS:
        return (*_UNITS[name], "", name, match.end())
    if match[3].lower() in _NOT_COUNTED or match[3][0].isupper():
        return nothing
    second = _SECOND.match(text, match.end())
    if second and _bare(second[1]) in _UNITS:  # "7 working days"
        dimension, factor = _UNITS[_bare(second[1])]
        return dimension, factor, match[3].lower(), _bare(second[1]), second.end()
    return "", Fraction(1), name, "", match.end()


def _sign(match: re.Match[str]) -> tuple[str, Fraction, str, str, int]:
    if match[1] in ("%", "\uff05"):
        return "ratio", Fraction(1, 100), "", "percent", match.end()
    unit = "fahrenheit" if match[1].upper().endswith("F") else "celsius"
    return "temperature", Fraction(1), "", unit, match.end()


def _bare(name: str) -> str:
    """A unit's name in lower case and in the singular."""
    name = name.lower()
    if name in _UNITS:
        return name
    for ending in ("es", "s"):
        if name.endswith(ending) and (name[: -len(ending)] in _UNITS or (ending == "s" and len(name) > 3)):
            return name[: -len(ending)]
    return name
