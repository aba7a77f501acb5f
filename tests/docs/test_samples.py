"""The outputs that the pages show are those that the commands print."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from docs.make_samples import demo_folder, run_command
from tests.docs.pages import Sample, samples

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    with demo_folder():
        yield


def loosely(text: str) -> str:
    """Without what differs from run to run: scores and times, and where a line was broken."""
    return " ".join(re.sub(r"\d+\.\d+", "#", text).split())


def test_the_pages_show_samples() -> None:
    assert len(samples()) >= 5


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: f"{sample.page}: {sample.command}")
def test_a_command_prints_what_the_page_shows(sample: Sample) -> None:
    assert loosely(run_command(sample.command)) == loosely(sample.output), "run: python -m docs.make_samples"
