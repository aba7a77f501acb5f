"""Which answers decline."""

from __future__ import annotations

import pytest

from eval.metrics.abstention import abstains


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "Unknown.",
        "I don't know.",
        "I do not know who that is.",
        "N/A",
        "The passage does not mention the year.",
        "It cannot be determined from the text.",
        "There is no information about this.",
    ],
)
def test_declines(text: str) -> None:
    assert abstains(text)


@pytest.mark.parametrize(
    "text", ["Paris", "the Unknown Soldier", "None of the Tudors but Mary", "no", "1903", "the noinformation bill"]
)
def test_answers(text: str) -> None:
    assert not abstains(text)
