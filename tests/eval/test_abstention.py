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
        "The provided documents don't say.",
        "The context doesn't explicitly state who won.",
        "I'm not sure. It is not mentioned in the passage.",
        "The year is not stated.",
        "It does not say.",
        "I do not know: the documents do not say.",
    ],
)
def test_declines(text: str) -> None:
    assert abstains(text)


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "the Unknown Soldier",
        "None of the Tudors but Mary",
        "no",
        "1903",
        "the noinformation bill",
        "The Treaty does not mention slavery.",
        "The law does not specify a fine.",
        "Slavery is not mentioned in the Treaty.",
        "The kit does not contain batteries.",
        "The company doesn't provide meals.",
    ],
)
def test_answers(text: str) -> None:
    assert not abstains(text)
