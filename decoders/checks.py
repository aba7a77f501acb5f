"""What a decoder's settings may be, and what a refusal says."""

from __future__ import annotations

import math
from typing import Any


class DecoderSettingError(ValueError):
    """An unknown decoder, an unknown setting, or a value that the setting cannot take."""


def check_range(
    params: Any, field: str, low: float = -math.inf, high: float = math.inf, *, or_auto: bool = False
) -> None:
    """Refuse a setting that is not a finite number from ``low`` to ``high``.

    Args:
        params: the decoder's settings.
        field: the setting.
        low, high: the bounds; both are allowed.
        or_auto: the text ``"auto"`` is allowed too.

    Raises:
        DecoderSettingError: the message says what was given and what is allowed.
    """
    value = getattr(params, field)
    if or_auto and value == "auto":
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if is_number and low <= value <= high:
        return
    expected = _describe(low, high) + (", or 'auto'" if or_auto else "")
    raise DecoderSettingError(f"{field}={value!r} does not suit decoder {params.name!r}; expected {expected}")


def check_choice(params: Any, field: str, choices: tuple[str, ...]) -> None:
    """Refuse a setting that is none of ``choices``.

    Raises:
        DecoderSettingError: the message says what was given and what is allowed.
    """
    value = getattr(params, field)
    if value not in choices:
        raise DecoderSettingError(
            f"{field}={value!r} does not suit decoder {params.name!r}; choose one of {', '.join(choices)}"
        )


def _describe(low: float, high: float) -> str:
    if math.isinf(low):
        return "a finite number"
    return f"a number of at least {low:g}" if math.isinf(high) else f"a number from {low:g} to {high:g}"
